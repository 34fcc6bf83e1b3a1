"""An archive becomes a layer, whatever it is packed with, and within limits."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from typing import TYPE_CHECKING

import pytest

from layouts import archive, digest, entry, zstd
from leaks import checked
from ptycli.image import content as contents
from ptycli.image.archive import keep_archive
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PACKED = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd}


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    with checked():
        yield


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    (tmp_path / "blobs/sha256").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("kind", [*PACKED, "nothing"])
def test_an_archive_is_kept_unpacked(layout: Path, kind: str) -> None:
    """By the digest of what is in it."""
    data = archive([entry("a", bytes(1 << 20))])
    pack: Callable[[bytes], bytes] = PACKED.get(kind, bytes)
    layer = keep_archive(str(layout), io.BytesIO(pack(data)))

    assert (layer.digest, layer.size) == (digest(data), len(data))
    assert (layout / "blobs" / layer.digest.replace(":", "/")).read_bytes() == data


@pytest.mark.parametrize("kind", PACKED)
def test_a_bomb_is_refused(layout: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Before it fills the disk: what is kept is not packed."""
    monkeypatch.setattr(contents, "_FLOOR", 1 << 20)
    bomb = PACKED[kind](bytes(16 << 20))
    with pytest.raises(LaunchFailed, match="unpacks to more than"):
        keep_archive(str(layout), io.BytesIO(bomb))
