"""Applies layers in this process, and looks at what became of them."""

from __future__ import annotations

import gzip
import os
import stat
from typing import TYPE_CHECKING

from layouts import LAYER, archive, digest
from ptycli.image.applier import Applier, Owners
from ptycli.image.content import Budget, Content
from ptycli.image.layout import Descriptor
from ptylaunch.plan import IdRange

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Sequence
    from pathlib import Path

    Entry = tuple[tarfile.TarInfo, bytes]

OWNERS = Owners((IdRange(os.getuid(), 0, 1),), (IdRange(os.getgid(), 0, 1),))


def apply_bytes(
    tree: Path, layers: Sequence[bytes], owners: Owners = OWNERS, *, packed: bool = False
) -> None:
    """Apply archives as they are; the blob and both digests are right."""
    tree.mkdir(exist_ok=True)
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    umask = os.umask(0)
    blobs = [gzip.compress(data, 1) if packed else data for data in layers]
    budget = Budget()
    try:
        applier = Applier(fd, owners, budget)
        for data, blob in zip(layers, blobs, strict=True):
            kind = LAYER + "+gzip" * packed
            read_fd = os.memfd_create("layer")
            try:
                os.write(read_fd, blob)
                os.lseek(read_fd, 0, os.SEEK_SET)
                layer = Descriptor(kind, digest(blob), len(blob))
                applier.apply(Content(read_fd, layer, digest(data), budget))
            finally:
                os.close(read_fd)
    finally:
        os.umask(umask)
        os.close(fd)


def apply(tree: Path, *layers: Sequence[Entry], owners: Owners = OWNERS) -> None:
    apply_bytes(tree, [archive(layer) for layer in layers], owners)


def listing(tree: Path) -> dict[str, str]:
    """Return what is in a tree: ``/`` for a folder, ``>target`` for a link, or a text."""
    found = {}
    for path in tree.rglob("*"):
        name = str(path.relative_to(tree))
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            found[name] = ">" + os.readlink(path)
        elif stat.S_ISDIR(mode):
            found[name] = "/"
        else:
            found[name] = path.read_text()
    return found
