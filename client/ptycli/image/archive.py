"""Makes an image of one archive: a root file system, as ``docker export`` and debootstrap give."""

from __future__ import annotations

import bz2
import contextlib
import datetime as dt
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import zlib
from typing import IO, TYPE_CHECKING, Any, Final

from ptycli.image.content import Budget
from ptycli.image.fault import bad
from ptycli.image.layout import Descriptor, Image, own_platform
from ptycli.image.zstd import Starter
from ptykeep import state

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ptycli.image.content import Readable

_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_PIECE: Final = 1 << 18
_PACKED: Final = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"))
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


def keep_archive(folder: str, source: IO[bytes]) -> Descriptor:
    """Copy an archive into a layout as a layer, unpacked; LaunchFailed("image", …), OSError."""
    place = f"{folder}/blobs/sha256"
    temporary = f"{place}/import.{os.getpid()}.tmp"
    digest, size = hashlib.sha256(), 0
    budget = Budget()
    with open(temporary, "xb") as file, contextlib.ExitStack() as held:
        for data in pieces(unpacked(_Measured(source, budget), held)):
            budget.spend(len(data))
            digest.update(data)
            size += len(data)
            file.write(data)
    os.rename(temporary, f"{place}/{digest.hexdigest()}")
    if not size:
        raise bad("it is empty")
    return Descriptor(_LAYER, f"sha256:{digest.hexdigest()}", size)


def make_image(
    folder: str, layer: Descriptor, config: Mapping[str, Any], comment: str
) -> tuple[Image, dict[str, Any]]:
    """Write the documents of an image of one layer; return it, and its manifest's descriptor."""
    system, machine = own_platform().split("/")
    now = dt.datetime.now(dt.UTC).isoformat()
    document: dict[str, Any] = {
        "created": now,
        "architecture": machine,
        "os": system,
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        "history": [{"created": now, "created_by": "ptyd import", "comment": comment}],
    }
    own = _keep_document(folder, document, _CONFIG)
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": own,
        "layers": [{"mediaType": _LAYER, "digest": layer.digest, "size": layer.size}],
    }
    kept = _keep_document(folder, manifest, _MANIFEST)
    image = Image(f"{folder}/blobs", (layer,), (layer.digest,), document, own["digest"])
    return image, kept


def _keep_document(folder: str, document: dict[str, Any], kind: str) -> dict[str, Any]:
    data = json.dumps(document).encode()
    name = hashlib.sha256(data).hexdigest()
    state.write_file(f"{folder}/blobs/sha256/{name}", data)
    return {"mediaType": kind, "digest": f"sha256:{name}", "size": len(data)}


class _Measured(io.RawIOBase):
    """A source, of which a budget is told how much was read."""

    def __init__(self, source: IO[bytes], budget: Budget) -> None:
        self._source = source
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._source.read(len(buffer)) or b""
        self._budget.read(len(data))
        buffer[: len(data)] = data
        return len(data)


def unpacked(source: io.RawIOBase, held: contextlib.ExitStack) -> Readable:
    """Return the archive itself, whatever it is packed with; ``held`` ends what unpacks it."""
    buffered = io.BufferedReader(source, 1 << 16)
    head = buffered.peek(16)
    kind = next((name for magic, name in _PACKED if head.startswith(magic)), "")
    if head.startswith(_ZSTD):
        program = shutil.which("zstd")
        if program is None:
            raise bad("it is packed with zstd, which is not installed")
        starter = Starter(program)
        held.callback(starter.close)
        return starter.open(buffered)
    opened: dict[str, Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
    return opened[kind](buffered, "rb") if kind else buffered


def pieces(source: Readable) -> Generator[bytes]:
    """Give what is in an archive; LaunchFailed("image", …) when it is no good."""
    try:
        while data := source.read(_PIECE):
            yield data
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise bad(f"it is no good archive: {error}") from None
    except OSError as error:
        if error.errno is None:  # bz2's word for bytes that are not its own
            raise bad(f"it is no good archive: {error}") from None
        raise
