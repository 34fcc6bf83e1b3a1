"""The bytes of a layer on their way from the blob to the files: proven, unpacked, limited.

Read forward once. What comes out is not proven before :meth:`Content.finish` has compared both
digests, so whoever uses it must be able to throw all of it away.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from typing import TYPE_CHECKING, Final, Protocol

from ptycli.image.fault import bad

if TYPE_CHECKING:
    from ptycli.image.layout import Descriptor
    from ptycli.image.zstd import Starter

_PIECE: Final = 1 << 18
LARGEST_HEADER: Final = 1 << 20
"""Bytes of one entry's headers, extended ones and maps of sparse files included."""

_RATIO: Final = 200
_FLOOR: Final = 1 << 30
_BLOCK: Final = 4096
MOST_ENTRIES: Final = 1_000_000

_PLAIN: Final = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
)
_ZIPPED: Final = (
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)


ZSTD: Final = (
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
)


class Readable(Protocol):
    """What bytes come from."""

    def read(self, size: int, /) -> bytes: ...


class Budget:
    """What an image may unpack to: 200 times what of its layers was read, 1 GiB at the least.

    What was read, not what the manifest says: that is proven only when the disk is full.
    """

    def __init__(self) -> None:
        self._packed = 0
        self._spent = 0
        self._entries = 0

    def read(self, size: int) -> None:
        """Note bytes of a blob."""
        self._packed += size

    def spend(self, size: int) -> None:
        self._spent += size
        limit = max(_FLOOR, self._packed * _RATIO)
        if self._spent > limit:
            raise bad(
                f"it unpacks to more than {limit >> 20} MiB, the limit for an image of its "
                "size (200 times what its layers have, at least 1 GiB)"
            )

    def count(self) -> None:
        """Note an entry, which has a block of the disk even when nothing is in it."""
        self._entries += 1
        if self._entries > MOST_ENTRIES:
            raise bad(f"it has more than {MOST_ENTRIES} entries")
        self.spend(_BLOCK)


class _Blob:
    """The file of a layer, as it lies there."""

    def __init__(self, fd: int, blob: Descriptor, budget: Budget) -> None:
        self._fd = fd
        self._blob = blob
        self._budget = budget
        self._size = 0
        self._hash = hashlib.new(blob.digest.partition(":")[0])

    def read(self, size: int = -1, /) -> bytes:
        data = os.read(self._fd, _PIECE if size < 0 else min(size, _PIECE))
        self._hash.update(data)
        self._size += len(data)
        self._budget.read(len(data))
        if self._size > self._blob.size:
            raise bad(f"blob {self._blob.digest}: it is larger than {self._blob.size} bytes")
        return data

    def finish(self) -> None:
        while self.read():
            pass
        if self._size != self._blob.size:
            raise bad(f"blob {self._blob.digest}: it has {self._size} bytes, not {self._blob.size}")
        if self._hash.hexdigest() != self._blob.digest.partition(":")[2]:
            raise bad(f"blob {self._blob.digest}: its digest is another")


class Content:
    """The archive in a layer, as a file for tarfile that can only be read forward."""

    def __init__(
        self,
        fd: int,
        layer: Descriptor,
        diff_id: str,
        budget: Budget,
        starter: Starter | None = None,
    ) -> None:
        self._blob = _Blob(fd, layer, budget)
        self._source: Readable = self._blob
        if layer.kind in _ZIPPED:
            self._source = gzip.GzipFile(fileobj=self._blob, mode="rb")  # type: ignore[call-overload]
        elif layer.kind in ZSTD:
            if starter is None:
                raise bad(f"layer {layer.digest} is packed with zstd, which is not installed")
            self._source = starter.open(self._blob)
        elif layer.kind not in _PLAIN:
            packing = layer.kind.partition("+")[2] or layer.kind
            raise bad(f"layer {layer.digest} is packed as {packing!r}, not with gzip or zstd")
        self._diff_id = diff_id
        self._hash = hashlib.new(diff_id.partition(":")[0])
        self._budget = budget
        self._position = 0
        self._header = 0
        self.last = b""
        """What was read last: a whole header block, when an archive ends."""

    def begin_entry(self) -> None:
        """What :meth:`read` returns from here on are headers, of one entry."""
        self._header = 0

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes of headers, fewer at the end alone. tarfile keeps all of them."""
        if not 0 <= size <= LARGEST_HEADER - self._header:
            raise bad(f"the header of an entry is larger than {LARGEST_HEADER} bytes")
        self._header += size
        return self.take(size)

    def take(self, size: int) -> bytes:
        """Return ``size`` bytes of whatever comes, fewer at the end alone."""
        parts: list[bytes] = []
        missing = size
        while missing and (data := self._source.read(missing)):
            parts.append(data)
            missing -= len(data)
        self.last = b"".join(parts)
        self._hash.update(self.last)
        self._position += len(self.last)
        self._budget.spend(len(self.last))
        return self.last

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if position < self._position:
            raise bad("its archive leads backwards")
        while (missing := position - self._position) and self.take(min(missing, _PIECE)):
            pass
        return self._position

    def prove_blob(self) -> None:
        """Read the rest of the blob, and prove its size and digest."""
        self._blob.finish()

    def finish(self) -> None:
        """Read what is behind the archive's end, and prove both digests."""
        while self.take(_PIECE):
            pass
        self.prove_blob()
        if self._hash.hexdigest() != self._diff_id.partition(":")[2]:
            raise bad(f"a layer unpacks to something else than {self._diff_id}")
