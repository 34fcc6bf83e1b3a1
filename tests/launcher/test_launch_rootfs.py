"""Paths inside a root that somebody else made: whatever its symlinks say, nothing leads out."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxes import Caller, callers, run_box
from ptylaunch.rootfs import Rootfs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

every_caller = pytest.mark.parametrize("caller", callers(), ids=str)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Rootfs]:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    fd = os.open(tmp_path / "root", os.O_PATH)
    yield Rootfs(fd)
    os.close(fd)


def place_of(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def test_absolute_links_stay_inside(root: Rootfs, tmp_path: Path) -> None:
    """An absolute target begins at the box's root, ``..`` ends there."""
    (tmp_path / "root/link").symlink_to(tmp_path / "outside")
    (tmp_path / "root/up").symlink_to("../../../../outside")

    with pytest.raises(FileNotFoundError):
        root.open("/link")
    with pytest.raises(FileNotFoundError):
        root.make_directory("/up/made")
    assert list((tmp_path / "outside").iterdir()) == []


def test_missing_parts_are_made(root: Rootfs, tmp_path: Path) -> None:
    """Folders on the way, and a file at the end where a file is mounted."""
    assert place_of(root.make_directory("/a/b/c")) == str(tmp_path / "root/a/b/c")
    assert place_of(root.make_file("/a/d/e")) == str(tmp_path / "root/a/d/e")
    assert (tmp_path / "root/a/d/e").is_file()


def test_a_file_is_made_where_a_link_to_nowhere_leads(root: Rootfs, tmp_path: Path) -> None:
    """Inside, over several links as well; a loop is an error, and nothing is made outside."""
    place = tmp_path / "root"
    (place / "etc").mkdir()
    (place / "etc/one").symlink_to("../run/two")
    (place / "etc/out").symlink_to(tmp_path / "outside/made")
    (place / "run").mkdir()
    (place / "run/two").symlink_to("/run/three/file")
    (place / "loop").symlink_to("loop")

    assert place_of(root.make_file("/etc/one")) == str(place / "run/three/file")
    assert place_of(root.make_file("/etc/out")) == f"{place}{tmp_path}/outside/made"
    assert list((tmp_path / "outside").iterdir()) == []
    with pytest.raises(OSError, match="symbolic links"):
        root.make_file("/loop")


def test_strict_paths_have_no_links(root: Rootfs, tmp_path: Path) -> None:
    """What the kernel's own filesystems are mounted on is a real folder."""
    (tmp_path / "root/real").mkdir()
    (tmp_path / "root/proc").symlink_to("real")

    with pytest.raises(OSError, match="symbolic links"):
        root.make_directory("/proc", strict=True)


NAMES = st.sampled_from(["a", "b", "c", "..", ".", "/", "../..", "/a", "a/b"])


@given(
    links=st.lists(st.tuples(st.sampled_from("abc"), st.lists(NAMES, min_size=1, max_size=4))),
    path=st.lists(st.sampled_from(["a", "b", "c", ".."]), min_size=1, max_size=5),
)
def test_no_links_lead_out(
    tmp_path_factory: pytest.TempPathFactory, links: list[tuple[str, list[str]]], path: list[str]
) -> None:
    """Any tangle of links, any path: what is opened or made lies below the root."""
    folder = tmp_path_factory.mktemp("tangle")
    (folder / "root").mkdir()
    for name, parts in links:
        with contextlib.suppress(FileExistsError):
            (folder / "root" / name).symlink_to("/".join(parts))
    fd = os.open(folder / "root", os.O_PATH)
    try:
        with contextlib.suppress(OSError):
            place = place_of(Rootfs(fd).make_directory("/" + "/".join(path)))

            assert (place + "/").startswith(f"{folder}/root/")
    finally:
        os.close(fd)
    assert [each.name for each in folder.iterdir()] == ["root"]


@every_caller
@pytest.mark.parametrize("name", ["dev", "proc", "sys"])
def test_a_link_in_place_of_a_kernel_folder_populates_nothing_outside(
    caller: Caller, name: str
) -> None:
    """CVE-2026-41579: device nodes were once made where /dev of the image led to."""
    result = run_box(
        caller, ["true"], links={name: "STATE/outside"}, files={"outside/keep": "", "x": ""}
    )

    assert result.failure is not None
    assert result.info["outside"] == ["keep"]
    assert result.left == []


@every_caller
def test_a_volume_on_a_link_stays_inside(caller: Caller) -> None:
    """The mount lands below the root, at what the link means there."""
    result = run_box(
        caller,
        ["cat", "/mnt/f"],
        files={"outside/keep": "", "volume/f": "text"},
        volumes=["STATE/volume:/mnt/"],
        links={"mnt": "/opt"},
    )

    assert result.output == "text"
    assert result.info["outside"] == ["keep"]
