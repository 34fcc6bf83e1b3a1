"""``ptyd top``: the processes in a container, as ps on this host shows them."""

from __future__ import annotations

from argparse import REMAINDER
from typing import Final

from ptycli.arguments import Failure, Parser, printable
from ptycli.container import find
from ptycli.population import population
from ptylaunch.errors import Refused
from ptylaunch.listing import process_table

USAGE: Final = "ptyd top NAME [OPTIONS OF PS]"


def main(arguments: list[str]) -> int:
    parser = Parser("top", "Show the processes in a container, by this host's ps.", USAGE)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("ps", nargs=REMAINDER, metavar="OPTIONS OF PS", help="default: -ef")
    options = parser.parse_args(arguments)
    fields = find(options.name).read_state()
    if fields["status"] not in ("running", "paused"):
        raise Failure(f"{options.name} is not running", 1)
    given: list[str] = options.ps[1:] if options.ps[:1] == ["--"] else options.ps
    try:
        for line in process_table(population(fields), given or ["-ef"]):
            print(printable(line))
    except Refused as error:
        raise Failure(str(error), 1) from None
    return 0
