"""``ptyd rename``: another name for a container, whether it runs or not."""

from __future__ import annotations

from ptycli.arguments import NAME, Failure, Parser
from ptycli.container import Container, find
from ptycli.order import REFUSED, holding, order
from ptykeep import event, state
from ptykeep.order import NoKeeper


def main(arguments: list[str]) -> int:
    parser = Parser("rename", "Give a container another name.", "ptyd rename OLD NEW")
    parser.add_argument("old", metavar="OLD")
    parser.add_argument("new", metavar="NEW")
    options = parser.parse_args(arguments)
    if not NAME.fullmatch(options.new):
        raise Failure(
            f"{options.new!r}: a name has up to 64 letters, digits and _.-, "
            "the first a letter or digit",
            REFUSED,
        )
    container = find(options.old)
    rename(container, options.old, options.new)
    return 0


def rename(container: Container, old: str, new: str) -> None:
    """Take the new name, tell the keeper, give the old one up: in between it has both."""
    if state.name_of(container.dirs, container.id) == new:
        raise Failure(f"{old} has that name", REFUSED)
    try:
        state.claim_name(container.dirs, new, container.id)
    except FileExistsError:
        raise Failure(f"the name {new} is taken", REFUSED) from None
    try:
        tell(container, old, new)
    except BaseException:
        state.give_up_names(container.dirs, container.id, lambda name: name == new)
        raise
    state.give_up_names(container.dirs, container.id, lambda name: name != new)


def tell(container: Container, old: str, new: str) -> None:
    try:
        order(container, old, {"order": "rename", "name": new})
        return
    except NoKeeper:
        pass
    try:
        with holding(container, old):
            path = f"{container.directory}/state.json"
            fields = state.read_json(path)
            state.write_json(path, {**fields, "name": new})
            event.note_changes(container.dirs.data, fields, {**fields, "name": new})
    except FileNotFoundError:
        pass  # half-made: the claim alone is its name
