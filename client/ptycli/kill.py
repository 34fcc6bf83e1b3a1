"""``ptyd kill``: a signal to the program itself, at once and whatever its server does."""

from __future__ import annotations

from ptycli.arguments import Failure, Parser
from ptycli.container import find, signal_program
from ptylaunch.errors import Refused
from ptylaunch.lifecycle import parse_signal


def main(arguments: list[str]) -> int:
    parser = Parser("kill", "Send a signal to programs.", "ptyd kill [-s SIGNAL] NAME [NAME…]")
    parser.add_argument(
        "-s", "--signal", default="KILL", metavar="SIGNAL", help="a name or number, default KILL"
    )
    parser.add_argument("names", metavar="NAME", nargs="+")
    options = parser.parse_args(arguments)
    try:
        number = parse_signal(options.signal)
    except Refused as error:
        raise Failure(str(error)) from None
    containers = [(name, find(name)) for name in options.names]
    for name, container in containers:
        if not signal_program(container, number):
            raise Failure(f"{name} is not running")
        print(name)
    return 0
