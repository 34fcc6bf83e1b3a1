"""What ``ptyd inspect`` says of an image: docker's fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ptycli.arguments import Failure
from ptycli.image.catalog import find_image
from ptycli.image.layout import own_platform
from ptycli.images import NONE, Kept, find, kept
from ptycli.template.value import Map
from ptykeep import state
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from ptycli.image.layout import Image


def describe_image(reference: str) -> dict[str, Any]:
    """Return the fields of an image that has a name here, or of one that was unpacked only."""
    dirs = state.directories()
    images = kept(dirs)
    chosen = find(images, reference)
    same = [each for each in images if each.id == chosen.id and each.digest]
    image: Image | None = None
    if chosen.digest:
        try:
            image = find_image(dirs, f"{chosen.repository}:{chosen.tag}")
        except LaunchFailed as failure:
            raise Failure(f"{reference}: {failure.detail or failure}", 1) from None
    return _describe(chosen, same, image)


def _describe(chosen: Kept, same: list[Kept], image: Image | None) -> dict[str, Any]:
    document = {} if image is None else image.config
    config: dict[str, Any] = document.get("config") or {}
    system, machine = own_platform().split("/")
    return {
        "Id": chosen.id,
        "RepoTags": [f"{each.repository}:{each.tag}" for each in same if each.tag != NONE],
        "RepoDigests": [f"{each.repository}@{each.digest}" for each in same],
        "Comment": _comment(document),
        "Created": document.get("created", ""),
        "Author": document.get("author", ""),
        "Config": {
            "User": config.get("User", ""),
            "ExposedPorts": Map(config.get("ExposedPorts") or {}),
            "Env": config.get("Env") or [],
            "Entrypoint": config.get("Entrypoint"),
            "Cmd": config.get("Cmd"),
            "WorkingDir": config.get("WorkingDir", ""),
            "StopSignal": config.get("StopSignal", ""),
            "Labels": Map(config.get("Labels") or {}),
        },
        "Architecture": document.get("architecture", machine),
        "Os": document.get("os", system),
        "Size": chosen.size,
        "RootFS": {"Type": "layers", "Layers": [] if image is None else list(image.diff_ids)},
    }


def _comment(document: dict[str, Any]) -> str:
    """Return what was said when the last layer was made."""
    history: list[dict[str, Any]] = document.get("history") or [{}]
    return str(history[-1].get("comment", ""))
