"""Cgroups for tests: some of our own, some delegated to an ordinary user, and processes in them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from ptylaunch.cgroup import create, enter, open_doors, remove
from ptylaunch.placement import Cgroup, place
from ptylaunch.plan import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERYTHING = Resources(memory=-1, quota=-1, period=100_000, pids=-1, cpus="0", mems="0")
"""Limits that ask for every controller we know and, but for the cpuset, limit nothing."""

NO_LIMITS = Resources()


@contextlib.contextmanager
def made(
    resources: Resources = NO_LIMITS, *, only: int | None = None, inner: str = ""
) -> Iterator[Cgroup]:
    """Make a cgroup, and see to it that it goes; ``only`` 1 or 2 leaves the other version out."""
    cgroup = place(f"ptyd-test-{os.getpid()}-{os.urandom(4).hex()}", resources)
    if only == 1:
        cgroup = cgroup._replace(unified="", controllers=())
    elif only == 2:
        cgroup = cgroup._replace(v1=())
    cgroup = cgroup._replace(inner=inner or cgroup.inner)
    assert cgroup.folders, "no cgroup can be made here: run the tests as root"
    create(cgroup, resources)
    try:
        yield cgroup
    finally:
        assert remove(cgroup)


@contextlib.contextmanager
def process_in(cgroup: Cgroup, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a cgroup from its first instruction on; it is killed behind the block."""
    doors = open_doors(cgroup)
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: enter(doors),  # noqa: PLW1509 - one thread, and nothing else would do
    )
    for door in doors:
        os.close(door)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.kill()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        process.wait()


@contextlib.contextmanager
def delegated(uid: int) -> Iterator[Cgroup]:
    """Make what systemd's Delegate= makes: a cgroup that is the user's, with a leaf to be in.

    v2 wants the leaf: who gives controllers to children may have no process beside them.
    """
    area = place(f"delegated-{os.getpid()}-{os.urandom(4).hex()}", EVERYTHING)
    create(area, EVERYTHING._replace(cpus=_every("cpus"), mems=_every("mems")))
    leaf = area._replace(unified=f"{area.unified}/leaf", inner="")
    try:
        os.mkdir(leaf.unified)
        for folder in {*area.folders, *leaf.folders}:
            os.chown(folder, uid, -1)
            for name in ("cgroup.procs", "cgroup.subtree_control", "tasks"):
                with contextlib.suppress(FileNotFoundError):
                    os.chown(f"{folder}/{name}", uid, -1)
        yield leaf
        left = [path for folder in area.folders for path in glob(f"{folder}/**/ptyd-*/")]
    finally:
        assert remove(area)
    assert left == [], "cgroups were left"


def entering(cgroup: Cgroup) -> list[str]:
    """Return what before a command has root start it in a cgroup."""
    script = f"for each in {' '.join(cgroup.folders)}; do echo $$ >$each/cgroup.procs; done; "
    return ["sh", "-c", script + 'exec "$@"', "sh"]


def stale() -> set[str]:
    """Return the cgroups of boxes in which nothing lives: for a moment, or for ever."""
    found: set[str] = set()
    for pattern in ("ptyd-*", "ptylaunch-*"):
        for path in (*glob(f"/sys/fs/cgroup/{pattern}"), *glob(f"/sys/fs/cgroup/*/{pattern}")):
            if not _is_inhabited(path):
                found.add(path)
    return found


def _is_inhabited(path: str) -> bool:
    """Tell whether a process is in a cgroup or below; one that has just gone counts, too."""
    try:
        return any(Path(folder, "cgroup.procs").read_text() for folder, _, _ in os.walk(path))
    except OSError:
        return True


def _every(kind: str) -> str:
    for base in ("/sys/fs/cgroup", "/sys/fs/cgroup/cpuset"):
        for name in (f"cpuset.{kind}.effective", f"cpuset.effective_{kind}"):
            with contextlib.suppress(FileNotFoundError):
                return Path(base, name).read_text().strip()
    raise AssertionError("no cpuset controller is mounted")
