"""``ptyd images``: those with names, and those that boxes have been made of."""

from __future__ import annotations

import datetime as dt
import fnmatch
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptycli.arguments import Failure, Parser
from ptycli.filter import add_filter, has_label, parse_filters
from ptycli.image.catalog import entries, find_image, full_name
from ptycli.image.store import key_of, list_trees, own_maps, users
from ptycli.listing import Listing, add_format
from ptycli.row import human_size
from ptycli.status import ago, stamp
from ptykeep import state
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

USAGE: Final = "ptyd images [-q] [--digests] [--no-trunc] [-f KEY=VALUE]… [--format F] [NAME[:TAG]]"
HEADERS: Final = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Containers": "CONTAINERS",
}
COLUMNS: Final = ("Repository", "Tag", "ID", "CreatedSince", "Size")
WITH_DIGESTS: Final = ("Repository", "Tag", "Digest", "ID", "CreatedSince", "Size")
KEYS: Final = ("reference", "dangling", "label", "before", "since")
NONE: Final = "<none>"


class Kept(NamedTuple):
    """An image that is here. ``key`` is its tree's; without a name it is somebody's layout."""

    repository: str
    tag: str
    id: str
    key: str
    created: float | None
    size: int
    """Bytes of its layers, as they are packed."""
    digest: str = ""
    labels: Mapping[str, str] = {}


def main(arguments: list[str]) -> int:
    parser = Parser("images", "List images; their sizes are those of their layers.", USAGE)
    parser.add_argument("-a", "--all", action="store_true", help="all there is (default)")
    parser.add_argument("-q", "--quiet", action="store_true", help="only ids")
    parser.add_argument("--digests", action="store_true", help="with their manifests' digests")
    parser.add_argument("--no-trunc", action="store_true", help="whole ids")
    add_filter(parser, KEYS)
    add_format(parser)
    parser.add_argument("reference", metavar="NAME[:TAG]", nargs="?", help="* is anything")
    options = parser.parse_args(arguments)
    form = "{{.ID}}" if options.quiet else options.format
    listing = Listing(form, HEADERS, WITH_DIGESTS if options.digests else COLUMNS)
    dirs = state.directories()
    filters = parse_filters(options.filter, KEYS)
    if options.reference is not None:
        filters.setdefault("reference", []).append(options.reference)
    found = select(kept(dirs), filters)
    used = users(dirs)
    listing.show(
        describe(each, len(used.get(each.key, ())), whole=options.no_trunc) for each in found
    )
    return 0


def kept(dirs: state.Dirs) -> list[Kept]:
    """Return all images, the newest first; one whose files are damaged has a name at least."""
    maps = own_maps()
    found: list[Kept] = []
    for entry in entries(dirs):
        bare = Kept(entry.repository, entry.tag, "", "", None, 0, entry.digest)
        try:
            image = find_image(dirs, entry.name)
        except LaunchFailed:
            found.append(bare)
            continue
        config: dict[str, Any] = image.config.get("config") or {}
        size = sum(layer.size for layer in image.layers)
        own = bare._replace(id=image.id, key=key_of(image, maps), size=size)
        found.append(
            own._replace(created=moment_of(image.created), labels=config.get("Labels") or {})
        )
    named = {each.key for each in found}
    found += [_unnamed(dirs, key) for key in list_trees(dirs) if key not in named]
    return sorted(found, key=lambda each: each.created or 0.0, reverse=True)


def _unnamed(dirs: state.Dirs, key: str) -> Kept:
    """Return what is kept of ``--image oci:DIR[:TAG]``."""
    try:
        note = state.read_json(f"{dirs.data}/images/trees/{key}/image.json")
    except (OSError, ValueError):
        note = {}  # made before such notes were
    name: str = note.get("name") or NONE
    kind, _, rest = name.partition(":")
    folder, _, tag = rest.partition(":")
    repository = f"{kind}:{folder}" if folder else name
    created = moment_of(note.get("created", ""))
    return Kept(repository, tag or NONE, note.get("id", ""), key, created, note.get("size", 0))


def moment_of(text: str) -> float | None:
    """Return the Unix time of RFC 3339's, None if it is none."""
    try:
        return dt.datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def select(images: Sequence[Kept], filters: Mapping[str, Sequence[str]]) -> list[Kept]:
    found = list(images)
    for key, values in filters.items():
        match key:
            case "reference":
                found = [e for e in found if any(_is_named(e, value) for value in values)]
            case "label":
                found = [e for e in found if all(has_label(e.labels, value) for value in values)]
            case "dangling":
                wanted = {_boolean(value) for value in values}
                found = [e for e in found if (e.tag == NONE) in wanted]
            case _:
                limits = [find(images, value).created or 0.0 for value in values]
                sign = 1 if key == "since" else -1
                found = [
                    e for e in found if any(sign * ((e.created or 0.0) - at) > 0 for at in limits)
                ]
    return found


def find(images: Sequence[Kept], reference: str) -> Kept:
    """Return the image of a name or of a unique part of an id; raise Failure."""
    names = (reference, full_name(reference), f"{reference}:{NONE}")
    for each in images:
        if f"{each.repository}:{each.tag}" in names:
            return each
    start = reference.removeprefix("sha256:")
    found = {each.id: each for each in images if start and _hex(each.id).startswith(start)}
    if len(found) > 1:
        raise Failure(f"{reference} is a prefix of {len(found)} images: give more digits", 1)
    if not found:
        raise Failure(f"no such image: {reference}", 1)
    return next(iter(found.values()))


def describe(image: Kept, containers: int, *, whole: bool) -> dict[str, Any]:
    made = image.created
    return {
        "Repository": image.repository,
        "Tag": image.tag,
        "Digest": image.digest or NONE,
        "ID": (image.id if whole else _hex(image.id)[:12]) or NONE,
        "CreatedSince": f"{ago(made)} ago" if made is not None else "N/A",
        "CreatedAt": stamp(made) if made is not None else "N/A",
        "Size": human_size(image.size),
        "Containers": str(containers),
    }


def _hex(digest: str) -> str:
    return digest.partition(":")[2]


def _is_named(image: Kept, pattern: str) -> bool:
    name = f"{image.repository}:{image.tag}"
    return any(fnmatch.fnmatchcase(each, pattern) for each in (name, image.repository))


def _boolean(text: str) -> bool:
    if text not in ("true", "1", "false", "0"):
        raise Failure(f"--filter dangling={text!r}: it is true or false", 1)
    return text in ("true", "1")
