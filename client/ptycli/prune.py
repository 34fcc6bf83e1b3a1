"""``ptyd prune``: remove all containers that do not run."""

from __future__ import annotations

import os
import sys
import time
from typing import Final

from ptycli.arguments import Failure, Parser
from ptycli.container import Container, every
from ptycli.moment import moment
from ptycli.order import REFUSED
from ptycli.rm import discard

_BEING_MADE: Final = 60.0
"""Seconds that a folder without a state.json may belong to somebody who is still writing it."""


def main(arguments: list[str]) -> int:
    parser = Parser("prune", "Remove all containers that do not run.", "ptyd prune [OPTIONS]")
    add = parser.add_argument
    add("-f", "--force", action="store_true", help="do not ask")
    add("--filter", metavar="until=WHEN", action="append", default=[], help="created before then")
    options = parser.parse_args(arguments)
    before = min((until(text) for text in options.filter), default=float("inf"))
    if not options.force and not is_wanted():
        return REFUSED
    removed: list[str] = []
    code = 0
    for container in every():
        try:
            if is_over(container, before):
                discard(container, container.id[:12])
                removed.append(container.id)
        except Failure as failure:
            print(f"ptyd prune: {failure}", file=sys.stderr)
            code = REFUSED
    if removed:
        print("Deleted Containers:", *removed, sep="\n")
    return code


def until(text: str) -> float:
    """Return the Unix time of a filter."""
    name, equals, value = text.partition("=")
    if name != "until" or not equals:
        raise Failure(f"--filter {text}: it is until=WHEN")
    return moment(value, time.time_ns()) / 1e9


def is_wanted() -> bool:
    """Ask who types; nobody is asked where nothing can be typed."""
    print("WARNING! This will remove all stopped containers.", file=sys.stderr)
    print("Are you sure you want to continue? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def is_over(container: Container, before: float) -> bool:
    """Tell whether it does not run, nobody is just making it, and it is as old as wanted."""
    try:
        made = os.stat(container.directory).st_mtime
    except FileNotFoundError:
        return False  # somebody else removes it
    fields = container.read_state()
    is_half = not os.path.exists(f"{container.directory}/state.json")
    if is_half and time.time() - made < _BEING_MADE:
        return False
    return fields["status"] in ("created", "exited") and fields.get("created", made) < before
