"""Roots that lie in wait: what a folder or an image has in the place of what a box needs.

An image's tree is used as a folder is (``--rootfs``), and unpacking one is tested by itself in
``tests/client/test_image_applier.py``.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from small_root import make_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordinary_user import Account
    from ptyd_user import Ptyd

IN_THE_WAY = ["dev", "proc", "sys", "etc", "etc/hosts", "mnt", "mnt/deep"]
"""What a box, or the person who starts it, puts into a root."""
WAYS_OUT = {"path": "{outside}", "descriptor": "/proc/self/fd/5"}


class Place(NamedTuple):
    """A root that belongs to everybody; ``outside`` is a folder of the host's that is not its."""

    root: Path
    outside: Path


@pytest.fixture
def place(ptyd: Ptyd, account: Account) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="hostile") as name:
        folder = Path(name)
        folder.chmod(0o755)
        root, outside = make_root(folder / "root", ("ls",)), folder / "outside"
        outside.mkdir()
        outside.chmod(0o777)
        (outside / "kept").write_text("kept")
        if account.home == ptyd.env["HOME"]:
            for path in (root, *root.rglob("*")):
                os.chown(path, account.uid, -1, follow_symlinks=False)
        yield Place(root, outside)


def put_in_the_way(place: Place, name: str, target: str) -> None:
    path = place.root / name
    path.parent.mkdir(exist_ok=True)
    if path.is_dir():
        path.rename(place.root / "was")
    path.symlink_to(target.format(outside=place.outside))


@pytest.mark.parametrize(
    ("name", "way"), [*((name, "path") for name in IN_THE_WAY), ("mnt", "descriptor")]
)
def test_a_link_in_the_way_leads_nowhere(ptyd: Ptyd, place: Place, name: str, way: str) -> None:
    """9: refused in one line, or contained; outside nothing is made, mounted or changed."""
    put_in_the_way(place, name, WAYS_OUT[way])
    words = ("--network=none", f"--rootfs={place.root}", "--tmpfs=/mnt/deep")
    done = ptyd("run", "--rm", *words, "ls", str(place.outside))

    assert done.code in (0, 2, 125), done
    assert done.code != 125 or done.err.count("\n") == 1
    assert b"kept" not in done.out
    assert [each.name for each in place.outside.iterdir()] == ["kept"]
    assert (place.outside / "kept").read_text() == "kept"
    assert str(place.outside) not in Path("/proc/self/mountinfo").read_text()


def test_a_link_leads_out_of_a_root_that_is_used_by_its_path(place: Place) -> None:
    """The baseline: who opens by path what the root says is outside."""
    put_in_the_way(place, "dev", WAYS_OUT["path"])
    Path(place.root, "dev/null").touch()

    assert (place.outside / "null").exists()


@pytest.mark.parametrize("way", ["itself", "a link"])
def test_a_working_folder_leads_nowhere(ptyd: Ptyd, place: Place, way: str) -> None:
    """3, CVE-2024-21626: the caller has left a folder of the host open, and they know where."""
    put_in_the_way(place, "w", WAYS_OUT["descriptor"])
    folder = "/w" if way == "a link" else WAYS_OUT["descriptor"]
    words = ("--network=none", f"--rootfs={place.root}", f"--workdir={folder}")
    done = ptyd("run", "--rm", *words, "ls", "../../../..")

    assert (done.code, done.out) == (125, b""), done
    assert done.err.count("\n") == 1
