"""``ptyd prune``: remove all containers that do not run."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final

from ptycli.arguments import Failure, Parser
from ptycli.container import Container, every
from ptycli.filter import has_label, parse_filters
from ptycli.moment import moment
from ptycli.order import REFUSED
from ptycli.rm import discard
from ptycli.row import human_size, written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEYS: Final = ("until", "label", "label!")
_BEING_MADE: Final = 60.0
"""Seconds that a folder without a state.json may belong to somebody who is still writing it."""


def main(arguments: list[str]) -> int:
    parser = Parser("prune", "Remove all containers that do not run.", "ptyd prune [OPTIONS]")
    add = parser.add_argument
    add("-f", "--force", action="store_true", help="do not ask")
    add(
        "--filter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="until=WHEN, label=K[=V] or label!=K[=V]",
    )
    options = parser.parse_args(arguments)
    filters = parse_filters(options.filter, KEYS)
    now = time.time_ns()
    untils = [moment(text, now) / 1e9 for text in filters.get("until", ())]
    before = min(untils, default=float("inf"))
    if not options.force and not is_wanted():
        return REFUSED
    removed: list[str] = []
    code = size = 0
    for container in every():
        try:
            if is_over(container, before) and is_labelled(container, filters):
                wrote = written(container)
                discard(container, container.id[:12])
                removed.append(container.id)
                size += wrote
        except Failure as failure:
            if container.keeper_pid is not None:
                continue  # somebody has started it just now
            print(f"ptyd prune: {failure}", file=sys.stderr)
            code = REFUSED
    if removed:
        print("Deleted Containers:", *removed, "", sep="\n")
    print(f"Total reclaimed space: {human_size(size, digits=4)}")
    return code


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


def is_labelled(container: Container, filters: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether it has all labels that are wanted, and none of those that are not."""
    labels: dict[str, str] = container.summary(container.read_state())["labels"]
    return all(has_label(labels, text) for text in filters.get("label", ())) and not any(
        has_label(labels, text) for text in filters.get("label!", ())
    )
