"""``ptyd pause``: hold all processes of containers where they are."""

from __future__ import annotations

from ptycli.arguments import Parser
from ptycli.order import each, order


def main(arguments: list[str]) -> int:
    parser = Parser("pause", "Hold all processes of containers.", "ptyd pause NAME [NAME…]")
    parser.add_argument("names", metavar="NAME", nargs="+")
    names = parser.parse_args(arguments).names
    return each("pause", names, lambda container, name: order(container, name, {"order": "pause"}))
