"""Makes OCI image layouts, good ones and others, out of entries of archives."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
TAG: Final = "org.opencontainers.image.ref.name"


def entry(name: str, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """Return an entry of a layer, a file of ours unless ``type`` says what else."""
    info = tarfile.TarInfo(name)
    info.mode, info.uid, info.gid, info.size = 0o644, os.getuid(), os.getgid(), len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def folder(name: str, mode: int = 0o755, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.DIRTYPE, mode=mode, **fields)


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.SYMTYPE, linkname=target, mode=0o777)


def hardlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def archive(entries: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Return a layer, unpacked."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def archive_of(root: Path) -> bytes:
    """Return a layer of a whole folder, everything in it root's."""
    buffer = io.BytesIO()

    def own(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        return info

    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(root, "./", filter=own)
    return buffer.getvalue()


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc1"], input=data, capture_output=True, check=True).stdout


class Layout:
    """A layout that is being made; what is in ``index`` is written by :meth:`write`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index: dict[str, Any] = {"schemaVersion": 2, "manifests": []}
        (path / "blobs/sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.write()

    def write(self) -> None:
        (self.path / "index.json").write_text(json.dumps(self.index))

    def blob(self, data: bytes, kind: str, **fields: Any) -> dict[str, Any]:
        """Keep a blob; return its descriptor."""
        self.place(digest(data)).write_bytes(data)
        return {"mediaType": kind, "digest": digest(data), "size": len(data), **fields}

    def document(self, value: dict[str, Any], kind: str, **fields: Any) -> dict[str, Any]:
        return self.blob(json.dumps(value).encode(), kind, **fields)

    def place(self, name: str) -> Path:
        return self.path / "blobs" / name.replace(":", "/")

    def layer(self, data: bytes, *, packed: bool | str = True) -> dict[str, Any]:
        if packed == "zstd":
            return self.blob(zstd(data), LAYER + "+zstd")
        if packed:
            return self.blob(gzip.compress(data, 1, mtime=0), LAYER + "+gzip")
        return self.blob(data, LAYER)

    def manifest(
        self,
        layers: Sequence[bytes],
        config: dict[str, Any] | None = None,
        *,
        packed: bool | str = True,
        **document: Any,
    ) -> dict[str, Any]:
        """Make an image; return the descriptor of its manifest."""
        found = [self.layer(data, packed=packed) for data in layers]
        diff_ids = [digest(data) for data in layers]
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine)
        described = {
            "os": "linux",
            "architecture": machine,
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            **document,
        }
        return self.document(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self.document(described, CONFIG),
                "layers": found,
            },
            MANIFEST,
        )

    def add(self, descriptor: dict[str, Any], tag: str = "") -> None:
        """Put a manifest or an index into index.json."""
        notes = {"annotations": {TAG: tag}} if tag else {}
        self.index["manifests"].append({**descriptor, **notes})
        self.write()
