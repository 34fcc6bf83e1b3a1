"""Work done with a box's ids: by a child, which says what went wrong and is never left."""

from __future__ import annotations

import errno
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import leaks
from ptycli.idmap import rooted, rootless
from ptylaunch.errors import LaunchFailed
from ptylaunch.idspace import work_as_root
from waiting import wait_for_end

if TYPE_CHECKING:
    from collections.abc import Iterator

MAPS = rooted(524288) if os.geteuid() == 0 else rootless()
IDS = [((), ()), (MAPS.uids, MAPS.gids)]


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    with leaks.checked():
        yield


@pytest.mark.parametrize("ids", IDS, ids=["ours", "a box's"])
def test_it_is_done_as_the_root_of_the_ids(ids: tuple[tuple[()], tuple[()]]) -> None:
    """And seen from outside as whoever that is."""
    read_fd, write_fd = os.pipe()
    work_as_root(*ids, lambda: print(os.geteuid(), file=os.fdopen(write_fd, "w"), flush=True))
    os.close(write_fd)
    with open(read_fd) as file:
        assert file.read() == f"{0 if ids[0] else os.geteuid()}\n"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can reach and write to: pytest's own are closed."""
    path = Path(tempfile.mkdtemp(prefix="ptyd-"))
    path.chmod(0o777)
    yield path
    path.rmdir()


def test_its_files_belong_to_the_ids(open_folder: Path) -> None:
    """What a box's user 7 owns is not ours."""
    made = open_folder / "made"

    def work() -> None:
        os.mkdir(made)
        os.chown(made, 7, 7)

    work_as_root(MAPS.uids, MAPS.gids, work)
    outside = next(p.outside + 7 - p.inside for p in MAPS.uids if p.inside <= 7 < p.inside + p.size)

    assert made.stat().st_uid == outside
    work_as_root(MAPS.uids, MAPS.gids, made.rmdir)


@pytest.mark.parametrize("ids", IDS, ids=["ours", "a box's"])
def test_what_went_wrong_is_told(ids: tuple[tuple[()], tuple[()]]) -> None:
    """Failures as they are, errors of the system by number and name, and a death."""

    def fail() -> None:
        raise LaunchFailed("image", errno.EINVAL, "it is broken")

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def load() -> None:
        import this  # noqa: F401 - whatever was not imported before

    for work, stage, number, detail in (
        (fail, "image", errno.EINVAL, "it is broken"),
        (lambda: os.rmdir("/no/such"), "files", errno.ENOENT, "/no/such"),
        (load, "files", errno.EPROTO, ""),
        (die, "build", errno.EPIPE, "died"),
    ):
        with pytest.raises(LaunchFailed) as caught:
            work_as_root(*ids, work)
        assert (caught.value.stage, caught.value.errno) == (stage, number)
        assert detail in caught.value.detail


def test_it_dies_with_its_caller() -> None:
    """In the middle of its work."""
    read_fd, write_fd = os.pipe()

    def work() -> None:
        os.write(write_fd, f"{os.getpid()}\n".encode())
        signal.pause()

    caller = os.fork()
    if caller == 0:
        try:
            work_as_root(MAPS.uids, MAPS.gids, work)
        finally:
            os._exit(1)
    worker = int(os.read(read_fd, 16))
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    wait_for_end(worker)
    os.close(read_fd)
    os.close(write_fd)
