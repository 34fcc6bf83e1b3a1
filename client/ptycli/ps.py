"""``ptyd ps``: this user's containers, read from their files; nobody is asked or waited for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from ptycli.arguments import Parser
from ptycli.condition import KEYS, conditions
from ptycli.container import every
from ptycli.filter import add_filter, parse_filters
from ptycli.listing import Listing, add_format
from ptycli.row import HEADERS, Row
from ptykeep import state

if TYPE_CHECKING:
    import argparse

USAGE: Final = "ptyd ps [-a] [-q] [-s] [-n N | -l] [--no-trunc] [-f KEY=VALUE]… [--format FORMAT]"
COLUMNS: Final = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")
_OVER: Final = ("created", "exited")
"""Statuses of those that only ``-a`` shows."""


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    columns = (*COLUMNS, "Size") if options.size else COLUMNS
    listing = Listing("" if options.quiet else options.format, HEADERS, columns)
    if options.quiet and options.format:
        print("ptyd ps: -q: --format is ignored", file=sys.stderr)
    rows = select(options)
    if options.quiet:
        print("".join(f"{row['ID']}\n" for row in rows), end="")
    else:
        listing.show(rows)
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser("ps", "List running containers.", USAGE)
    parser.add_argument("-a", "--all", action="store_true", help="those that have ended, too")
    parser.add_argument("-q", "--quiet", action="store_true", help="only ids")
    parser.add_argument("-s", "--size", action="store_true", help="what they wrote on their root")
    parser.add_argument("--no-trunc", action="store_true", help="whole ids and commands")
    parser.add_argument("-n", "--last", type=int, default=-1, metavar="N", help="the N newest")
    parser.add_argument("-l", "--latest", action="store_true", help="the newest")
    add_filter(parser, KEYS)
    add_format(parser)
    return parser.parse_args(arguments)


def select(options: argparse.Namespace) -> list[Row]:
    """Return those that were asked for, the newest first."""
    filters = parse_filters(options.filter, KEYS)
    wanted = conditions(filters)
    newest: int = 1 if options.latest else options.last
    # As docker: who asks for one status or another has said more than -a.
    shows_all = options.all or newest >= 0 or "status" in filters or "exited" in filters
    rows: list[Row] = []
    for container in every():
        fields = container.read_state()
        if fields["status"] == "exited" and (fields.get("cgroup") or fields.get("runtime")):
            # Its keeper was killed, and what it had to remove is left.
            state.release_cgroup(container.directory, timeout=0)
        row = Row(container, fields, whole=options.no_trunc)
        if (shows_all or fields["status"] not in _OVER) and all(each(row) for each in wanted):
            rows.append(row)
    rows.sort(key=lambda row: row.fields.get("created", 0.0), reverse=True)
    return rows[:newest] if newest >= 0 else rows
