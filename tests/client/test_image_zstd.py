"""Layers packed with zstd: unpacked as others are, limited, and no good bytes are told."""

from __future__ import annotations

import os
import random
import shutil
from typing import TYPE_CHECKING

import pytest

from layouts import LAYER, archive, digest, entry, zstd
from leaks import checked
from ptycli.image import content as contents
from ptycli.image.applier import Applier
from ptycli.image.content import Budget, Content
from ptycli.image.layout import Descriptor
from ptycli.image.zstd import Starter
from ptylaunch.errors import LaunchFailed
from trees import OWNERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    with checked():
        yield


def apply_blobs(tree: Path, *layers: tuple[bytes, bytes]) -> None:
    """Apply layers, given as they are and as they are packed."""
    program = shutil.which("zstd")
    assert program is not None
    starter = Starter(program)
    tree.mkdir(exist_ok=True)
    tree_fd = os.open(tree, os.O_RDONLY)
    budget = Budget()
    try:
        applier = Applier(tree_fd, OWNERS, budget)
        for data, blob in layers:
            fd = os.memfd_create("layer")
            try:
                os.write(fd, blob)
                os.lseek(fd, 0, os.SEEK_SET)
                layer = Descriptor(LAYER + "+zstd", digest(blob), len(blob))
                applier.apply(Content(fd, layer, digest(data), budget, starter))
            finally:
                os.close(fd)
    finally:
        starter.close()
        os.close(tree_fd)


def test_layers_are_unpacked_one_after_another(tmp_path: Path) -> None:
    """More than a pipe holds, in both directions."""
    noise = random.Random(1).randbytes(3 << 20)
    layers = [archive([entry("a", b"1"), entry("noise", noise)]), archive([entry("a", b"2")])]
    apply_blobs(tmp_path / "t", *((data, zstd(data)) for data in layers))

    assert (tmp_path / "t/a").read_bytes() == b"2"
    assert (tmp_path / "t/noise").read_bytes() == noise


def test_what_zstd_does_not_understand_is_refused(tmp_path: Path) -> None:
    """Other bytes, half of them, more behind them; then the next layer is as good as ever."""
    data = archive([entry("a", random.Random(2).randbytes(1 << 20))])
    blob = zstd(data)
    for bad in (b"", b"what?", blob[:-5], blob[: len(blob) // 2], blob + b"more", data):
        with pytest.raises(LaunchFailed, match="no good archive"):
            apply_blobs(tmp_path / "t", (data, bad))
    with pytest.raises(LaunchFailed, match="something else"):
        apply_blobs(tmp_path / "t", (archive([]), blob))


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what comes out of it."""
    monkeypatch.setattr(contents, "_FLOOR", 1 << 20)
    data = archive([entry("zeros", bytes(16 << 20))])
    with pytest.raises(LaunchFailed, match="unpacks to more than"):
        apply_blobs(tmp_path / "t", (data, zstd(data)))
