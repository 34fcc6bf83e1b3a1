"""A tree is removed, whoever made it."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import pytest

from ptykeep.removal import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEEP = 3000
"""More than Python's calls within calls, and more than descriptors."""


def test_a_tree_is_removed_and_no_link_followed(tmp_path: Path) -> None:
    """Also one that is not there; what links lead to stays."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("")
    tree = tmp_path / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/file").write_text("")
    (tree / "a/folder").symlink_to(kept)
    (tree / "nowhere").symlink_to("/nowhere")
    os.mkfifo(tree / "a/b/fifo")
    remove_tree(str(tree))
    remove_tree(str(tree))
    (tmp_path / "link").symlink_to(kept)
    remove_tree(str(tmp_path / "link"))

    assert not tree.exists()
    assert (kept / "file").exists()


def nest(place: Path, depth: int) -> None:
    """Make folders within folders, each with a file."""
    fd = os.open(place, os.O_RDONLY)
    for _ in range(depth):
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("few_descriptors")
def test_depth_is_no_shelter(tmp_path: Path) -> None:
    """Nor are names that one who was killed over it has left."""
    tree = tmp_path / "tree"
    for name, depth in (("a", DEEP), ("b", 3)):
        (tree / name).mkdir(parents=True)
        nest(tree / name, depth)
    for number in (1, 2):
        (tree / f".removed-{number}/left").mkdir(parents=True)
    (tree / ".removed-3").write_text("")
    remove_tree(str(tree))

    assert not tree.exists()


def test_a_file_is_no_tree(tmp_path: Path) -> None:
    """It stays."""
    file = tmp_path / "file"
    file.write_text("")
    remove_tree(str(file))

    assert file.exists()
