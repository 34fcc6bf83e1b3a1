"""``ptyd rmi``: forget images; a tree goes when no name and no container has it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from ptycli.arguments import Failure, Parser, printable
from ptycli.image.catalog import changing, drop
from ptycli.image.store import InUse, own_maps, remove_tree
from ptycli.images import NONE, Kept, find, kept
from ptykeep import state

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE: Final = "ptyd rmi [-f] NAME[:TAG]|ID [NAME[:TAG]|ID…]"


def main(arguments: list[str]) -> int:
    parser = Parser("rmi", "Remove images that no container has.", USAGE)
    parser.add_argument("-f", "--force", action="store_true", help="what is not there is no error")
    parser.add_argument("names", metavar="NAME", nargs="+")
    options = parser.parse_args(arguments)
    dirs = state.directories()
    code = 0
    for name in options.names:
        try:
            print(remove(dirs, name))
        except Failure as failure:
            if not options.force:
                print(f"ptyd rmi: {printable(str(failure))}", file=sys.stderr)
                code = 1
    return code


def remove(dirs: state.Dirs, reference: str) -> str:
    """Remove one image; return its name. Failure while a container has it."""
    images = kept(dirs)
    image = find(images, reference)
    others = [each for each in images if each.key == image.key and each is not image]
    if not others and image.key:
        _remove_tree(dirs, image)
    name = f"{image.repository}:{image.tag}"
    if image.digest:
        with changing(dirs):
            drop(dirs, name)
    return name.removesuffix(f":{NONE}")


def _remove_tree(dirs: state.Dirs, image: Kept) -> None:
    try:
        remove_tree(dirs, image.key, own_maps())
    except InUse as error:
        raise Failure(f"{image.repository}:{image.tag}: {error}", 1) from None


def prune(dirs: state.Dirs, *, everything: bool) -> Sequence[str]:
    """Remove what no container has: nameless trees, and ``everything``: named ones, too."""
    removed: list[str] = []
    for image in kept(dirs):
        if image.digest and not everything:
            continue
        try:
            _remove_tree(dirs, image)
        except Failure:
            continue  # a container has it
        if image.digest:
            with changing(dirs):
                drop(dirs, f"{image.repository}:{image.tag}")
        removed.append(f"{image.repository}:{image.tag}".removesuffix(f":{NONE}"))
    return removed
