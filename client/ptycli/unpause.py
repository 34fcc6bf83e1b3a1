"""``ptyd unpause``: let what was paused go on."""

from __future__ import annotations

from ptycli.arguments import Parser
from ptycli.order import each, order


def main(arguments: list[str]) -> int:
    parser = Parser("unpause", "Let what was paused go on.", "ptyd unpause NAME [NAME…]")
    parser.add_argument("names", metavar="NAME", nargs="+")
    names = parser.parse_args(arguments).names
    return each(
        "unpause", names, lambda container, name: order(container, name, {"order": "unpause"})
    )
