"""``ptyd restart``: end programs, and start them again at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ptycli.arguments import Parser
from ptycli.order import each, order
from ptycli.start import WITHIN, start
from ptycli.stop import Manner, add_manner, read_manner
from ptykeep.order import NoKeeper

if TYPE_CHECKING:
    from ptycli.container import Container


def main(arguments: list[str]) -> int:
    parser = Parser(
        "restart", "End programs, and start them again.", "ptyd restart [OPTIONS] NAME [NAME…]"
    )
    add_manner(parser.add_argument)
    parser.add_argument("names", metavar="NAME", nargs="+")
    options = parser.parse_args(arguments)
    manner = read_manner(options)
    return each("restart", options.names, lambda container, name: restart(container, name, manner))


def restart(container: Container, name: str, manner: Manner) -> None:
    """End what runs, and start it; raise Failure."""
    patience = manner.patience(container)
    try:
        within = WITHIN + patience if patience is not None else float("inf")
        order(container, name, {"order": "restart", **manner.fields}, within)
    except NoKeeper:
        start(container, name)
