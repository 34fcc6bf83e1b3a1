"""``ptyd kill``: a signal to the program itself, at once and whatever its server does."""

from __future__ import annotations

from typing import Final

from ptycli.arguments import Failure, Parser
from ptycli.container import Container, signal_program
from ptycli.life import signal_of
from ptycli.order import REFUSED, each
from ptykeep import state
from ptykeep.order import NoAnswer, NoKeeper, say

_WITHIN: Final = 2.0
"""Seconds that the keeper is asked for; then the program is signalled past it."""


def main(arguments: list[str]) -> int:
    parser = Parser("kill", "Send a signal to programs.", "ptyd kill [-s SIGNAL] NAME [NAME…]")
    parser.add_argument(
        "-s", "--signal", default="KILL", metavar="SIGNAL", help="a name or number, default KILL"
    )
    parser.add_argument("names", metavar="NAME", nargs="+")
    options = parser.parse_args(arguments)
    number = signal_of(options.signal)
    return each("kill", options.names, lambda container, name: kill(container, name, number))


def kill(container: Container, name: str, number: int) -> None:
    """Have the keeper send it, who knows that this ends a policy; raise Failure."""
    folder = state.socket_dir(container.dirs, container.id)
    try:
        answer = say(folder, {"order": "kill", "signal": number}, _WITHIN)
    except (NoKeeper, NoAnswer):  # it is hung, or older than orders
        if not signal_program(container, number):
            raise Failure(f"{name} is not running", REFUSED) from None
    else:
        if error := answer.get("error"):
            raise Failure(str(error), REFUSED)
