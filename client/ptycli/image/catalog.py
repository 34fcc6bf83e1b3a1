"""Images with names: an image layout of our own, ``images/layout``, that ``ptyd import`` fills.

A name is docker's, ``NAME:TAG``, and the annotation of an entry of index.json, so that what finds
and proves an image in anybody's layout does so here. Who changes it holds ``images/locks/layout``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptycli.image.fault import bad
from ptycli.image.layout import TAG, Image, read_image
from ptycli.image.store import locked, prepare
from ptykeep import state
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Generator

_NAME: Final = re.compile(
    r"(?P<name>[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
)
_LONGEST: Final = 255
_LATEST: Final = "latest"


class Entry(NamedTuple):
    """A name, and the digest of the manifest that it stands for."""

    name: str
    digest: str

    @property
    def repository(self) -> str:
        return self.name.rpartition(":")[0]

    @property
    def tag(self) -> str:
        return self.name.rpartition(":")[2]


def full_name(text: str) -> str | None:
    """Return ``NAME:TAG`` of ``NAME[:TAG]``, None for what is no name of an image."""
    found = _NAME.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    return f"{found['name']}:{found['tag'] or _LATEST}"


def folder_of(dirs: state.Dirs) -> str:
    return f"{dirs.data}/images/layout"


def entries(dirs: state.Dirs) -> list[Entry]:
    """Return all names, in order."""
    return sorted(
        Entry(each["annotations"][TAG], each["digest"]) for each in _read_index(dirs)["manifests"]
    )


def find_image(dirs: state.Dirs, name: str) -> Image:
    """Return the image of a full name; LaunchFailed("image", …) when there is none."""
    names = [entry.name for entry in entries(dirs)]
    if name not in names:
        there = f" (there is {', '.join(names[:20])})" if names else ""
        raise bad(f"there is no image {name}: ptyd import makes one{there}")
    return read_image(folder_of(dirs), name)


@contextlib.contextmanager
def changing(dirs: state.Dirs) -> Generator[str]:
    """Hold the layout, made if there is none, and give its folder; drop what no name has after."""
    prepare(dirs)
    folder = folder_of(dirs)
    with locked(f"{dirs.data}/images", "layout"):
        os.makedirs(f"{folder}/blobs/sha256", 0o700, exist_ok=True)
        if not os.path.exists(f"{folder}/index.json"):
            state.write_file(f"{folder}/oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
            _write_index(dirs, {"schemaVersion": 2, "manifests": []})
        try:
            yield folder
        finally:
            _sweep(dirs)


def put(dirs: state.Dirs, name: str, manifest: dict[str, Any]) -> None:
    """Let a name stand for a manifest, whose descriptor this is; within :func:`changing`."""
    index = _read_index(dirs)
    others = [each for each in index["manifests"] if each["annotations"][TAG] != name]
    index["manifests"] = [*others, {**manifest, "annotations": {TAG: name}}]
    _write_index(dirs, index)


def drop(dirs: state.Dirs, name: str) -> None:
    """Forget a name; within :func:`changing`."""
    index = _read_index(dirs)
    index["manifests"] = [e for e in index["manifests"] if e["annotations"][TAG] != name]
    _write_index(dirs, index)


def _sweep(dirs: state.Dirs) -> None:
    """Remove the blobs that no image has, with what a killed import left."""
    folder = f"{folder_of(dirs)}/blobs/sha256"
    kept: set[str] = set()
    for entry in entries(dirs):
        kept.add(entry.digest)
        try:
            manifest = state.read_json(f"{folder}/{entry.digest.partition(':')[2]}")
        except (OSError, ValueError):
            return  # something is wrong with it, and it may be worth more than the room
        kept |= {blob["digest"] for blob in (manifest["config"], *manifest["layers"])}
    for name in os.listdir(folder):
        if f"sha256:{name}" not in kept:
            os.unlink(f"{folder}/{name}")


def _read_index(dirs: state.Dirs) -> dict[str, Any]:
    try:
        return state.read_json(f"{folder_of(dirs)}/index.json")
    except FileNotFoundError:
        return {"schemaVersion": 2, "manifests": []}
    except (ValueError, RecursionError):
        raise LaunchFailed("image", 0, "images/layout/index.json is damaged") from None


def _write_index(dirs: state.Dirs, index: dict[str, Any]) -> None:
    state.write_file(f"{folder_of(dirs)}/index.json", json.dumps(index, indent=1).encode())
