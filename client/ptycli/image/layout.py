"""An OCI image layout (image-spec, image-layout.md): which image a folder has, and its proofs.

Nothing here is believed before its digest and size are right: index.json names a manifest, the
manifest a configuration and layers, each by its digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from typing import Any, Final, NamedTuple, cast

from ptycli.image.fault import bad

TAG: Final = "org.opencontainers.image.ref.name"

_LARGEST: Final = 4 << 20
"""Bytes of a JSON document: what registries take as a manifest."""
_MOST_LAYERS: Final = 500
_DEPTH: Final = 4
"""Of indexes in indexes."""

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
"""Go's names of uname(2)'s machines, where they differ."""


class Descriptor(NamedTuple):
    """What a document says of another blob; ``size`` in bytes."""

    kind: str
    digest: str
    size: int
    tag: str = ""
    platform: str = ""
    """``os/architecture``, empty when it does not say."""


class Image(NamedTuple):
    """A manifest and its configuration, proven; the layers are proven when they are read."""

    blobs: str
    """The folder of blobs, absolute."""
    layers: tuple[Descriptor, ...]
    diff_ids: tuple[str, ...]
    """Digests of the layers unpacked."""
    config: dict[str, Any]
    id: str = ""
    """The digest of the configuration."""
    name: str = ""
    """``oci:DIR[:TAG]``, as it was found."""

    @property
    def created(self) -> str:
        """When it was made, as RFC 3339 has it, if it says so."""
        created = self.config.get("created")
        return created if isinstance(created, str) else ""

    @property
    def chain_id(self) -> str:
        """The digest that stands for all layers applied in order (image-spec, config.md)."""
        chain = ""
        for diff_id in self.diff_ids:
            chain = "sha256:" + _sha256(f"{chain} {diff_id}") if chain else diff_id
        return chain or "sha256:" + _sha256("")


def own_platform() -> str:
    machine = os.uname().machine
    return f"linux/{_MACHINES.get(machine, machine)}"


def split_reference(text: str) -> tuple[str, str | None]:
    """Split what follows ``oci:`` into a folder and a tag; a folder of that very name wins."""
    folder, colon, tag = text.partition(":")
    if colon and not os.path.isdir(text):
        return folder, tag
    return text, None


def read_image(folder: str, tag: str | None) -> Image:
    """Return the image for this machine; LaunchFailed("image", …) when there is not one."""
    folder = os.path.abspath(folder)
    marker = _parse(_read_file(f"{folder}/oci-layout", "oci-layout"), "oci-layout")
    if marker.get("imageLayoutVersion") != "1.0.0":
        raise bad(f"{folder} is no image layout of version 1.0.0")
    index = _parse(_read_file(f"{folder}/index.json", "index.json"), "index.json")
    blobs = f"{folder}/blobs"
    entries = [each for each in _manifests(index, "index.json") if tag in (None, each.tag)]
    manifest = _find_manifest(blobs, entries, tag, _tags(index))
    name = f"oci:{folder}:{tag}" if tag else f"oci:{folder}"
    return _read_manifest(blobs, manifest)._replace(name=name)


def open_blob(blobs_fd: int, blob: Descriptor) -> int:
    """Return a descriptor of a blob's file, below the folder of blobs."""
    algorithm, _, name = blob.digest.partition(":")
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        fd = os.open(f"{algorithm}/{name}", flags, dir_fd=blobs_fd)
    except OSError as error:
        raise bad(f"blob {blob.digest}: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise bad(f"blob {blob.digest}: not a file")
    return fd


def _tags(index: dict[str, Any]) -> str:
    tags = sorted({each.tag for each in _manifests(index, "index.json") if each.tag})
    return f" (there is {', '.join(tags[:20])})" if tags else ""


def _find_manifest(
    blobs: str, entries: list[Descriptor], tag: str | None, tags: str, depth: int = 0
) -> Descriptor:
    """Choose the one manifest for this machine, through indexes that name only it."""
    wanted = own_platform()
    found = [each for each in entries if each.platform in ("", wanted)]
    if not found:
        if entries:
            others = ", ".join(sorted({each.platform for each in entries}))
            raise bad(f"there is no image for {wanted}, only for {others}")
        raise bad(f"there is no image {tag!r}{tags}" if tag else "there is no image in it")
    if len({each.digest for each in found}) > 1:
        raise bad(f"there is more than one image: say which{tags}")
    chosen = found[0]
    if chosen.kind not in _INDEXES:
        return chosen
    if depth == _DEPTH:
        raise bad("its indexes are nested too deep")
    index = _read_document(blobs, chosen)
    return _find_manifest(blobs, _manifests(index, chosen.digest), None, "", depth + 1)


def _read_manifest(blobs: str, chosen: Descriptor) -> Image:
    if chosen.kind not in _MANIFESTS:
        raise bad(f"{chosen.digest} is {chosen.kind or 'of no type'}, not a manifest of an image")
    manifest = _read_document(blobs, chosen)
    if "manifests" in manifest:  # to be both would be read differently by others (CVE-2021-41190)
        raise bad(f"{chosen.digest} is an index and a manifest at once")
    described = _descriptor(manifest.get("config"), "config")
    config = _read_document(blobs, described)
    layers = _list(manifest, "layers", chosen.digest)
    if len(layers) > _MOST_LAYERS:
        raise bad(f"it has {len(layers)} layers, more than {_MOST_LAYERS}")
    for key, own in zip(("os", "architecture"), own_platform().split("/"), strict=True):
        if config.get(key, own) != own:
            raise bad(f"it is for {config[key]}, this is {own}")
    diff_ids = _list(_object(config.get("rootfs"), "rootfs"), "diff_ids", "rootfs")
    for diff_id in diff_ids:
        if not isinstance(diff_id, str) or not _DIGEST.fullmatch(diff_id):
            raise bad(f"rootfs.diff_ids: {diff_id!r} is no digest")
    if len(diff_ids) != len(layers):
        raise bad(f"it has {len(layers)} layers and {len(diff_ids)} diff_ids")
    found = tuple(_descriptor(layer, f"layers[{n}]") for n, layer in enumerate(layers))
    return Image(blobs, found, tuple(diff_ids), config, described.digest)


def _read_document(blobs: str, blob: Descriptor) -> dict[str, Any]:
    """Return a blob that is JSON, its digest and size proven."""
    if blob.size > _LARGEST:
        raise bad(f"blob {blob.digest}: {blob.size} bytes are too many for a document")
    algorithm, _, wanted = blob.digest.partition(":")
    data = _read_file(f"{blobs}/{algorithm}/{wanted}", f"blob {blob.digest}")
    if len(data) != blob.size:
        raise bad(f"blob {blob.digest}: it has {len(data)} bytes, not {blob.size}")
    if hashlib.new(algorithm, data).hexdigest() != wanted:
        raise bad(f"blob {blob.digest}: its digest is another")
    document = _parse(data, blob.digest)
    if document.get("mediaType", blob.kind) != blob.kind:
        raise bad(f"blob {blob.digest}: it says that it is {document['mediaType']!r}")
    return document


def _read_file(path: str, name: str) -> bytes:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        with open(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise bad(f"{name}: not a file")
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise bad(f"{name}: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise bad(f"{name}: more than {_LARGEST >> 20} MiB")
    return data


def _parse(data: bytes, name: str) -> dict[str, Any]:
    try:
        return _object(json.loads(data), name)
    except (ValueError, RecursionError):
        raise bad(f"{name}: not JSON") from None


def _manifests(index: dict[str, Any], name: str) -> list[Descriptor]:
    if "layers" in index or "config" in index:
        raise bad(f"{name} is an index and a manifest at once")
    entries = _list(index, "manifests", name)
    return [_descriptor(each, f"manifests[{number}]") for number, each in enumerate(entries)]


def _descriptor(value: object, where: str) -> Descriptor:
    fields = _object(value, where)
    kind, digest, size = (fields.get(key) for key in ("mediaType", "digest", "size"))
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise bad(f"{where}: {digest!r} is no digest by sha256 or sha512")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise bad(f"{where}: {size!r} is no size")
    notes = fields.get("annotations")
    tag = _object(notes, where).get(TAG) if notes is not None else None
    platform = ""
    if fields.get("platform") is not None:
        parts = _object(fields["platform"], where)
        platform = f"{parts.get('os')}/{parts.get('architecture')}"
    return Descriptor(
        kind if isinstance(kind, str) else "",
        digest,
        size,
        tag if isinstance(tag, str) else "",
        platform,
    )


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad(f"{where}: not an object")
    return cast("dict[str, Any]", value)


def _list(fields: dict[str, Any], key: str, where: str) -> list[Any]:
    value = fields.get(key)
    if not isinstance(value, list):
        raise bad(f"{where}: {key} is not a list")
    return value  # pyright: ignore[reportUnknownVariableType]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
