"""``ptyd stats``: what containers use, every second or once."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from ptycli.arguments import Parser
from ptycli.container import every, find
from ptycli.listing import Listing, add_format
from ptycli.population import Sample, take_sample
from ptycli.row import human_size, network_mode

if TYPE_CHECKING:
    from ptycli.container import Container

USAGE: Final = "ptyd stats [-a] [--no-stream] [--no-trunc] [--format FORMAT] [NAME…]"
HEADERS: Final = {
    "ID": "CONTAINER ID",
    "Container": "CONTAINER",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
COLUMNS: Final = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
INTERVAL: Final = 1.0
"""Seconds between two samples, docker's; processor time is what was used between them."""
_CLEAR: Final = "\x1b[H\x1b[J"
_UNKNOWN: Final = "--"
_RUNS: Final = ("running", "paused")


def main(arguments: list[str]) -> int:
    parser = Parser("stats", "Show what containers use, every second.", USAGE)
    parser.add_argument("-a", "--all", action="store_true", help="those that have ended, too")
    parser.add_argument("--no-stream", action="store_true", help="once")
    parser.add_argument("--no-trunc", action="store_true", help="whole ids")
    add_format(parser)
    parser.add_argument("names", metavar="NAME", nargs="*")
    options = parser.parse_args(arguments)
    listing = Listing(options.format, HEADERS, COLUMNS)
    named = [find(name) for name in options.names]
    is_screen = not options.no_stream and not options.format and sys.stdout.isatty()
    before: dict[str, Sample] = measure(chosen(named, everybody=options.all))
    while True:
        time.sleep(INTERVAL)
        containers = chosen(named, everybody=options.all)
        now = measure(containers)
        rows = [
            describe(each, fields, before.get(each.id), now.get(each.id), whole=options.no_trunc)
            for each, fields in containers
        ]
        if is_screen:
            print(_CLEAR, end="")
        listing.show(rows)
        sys.stdout.flush()
        if options.no_stream or (named and not containers):
            return 0
        before = now


def chosen(named: list[Container], *, everybody: bool) -> list[tuple[Container, dict[str, Any]]]:
    """Return those to be shown, with their state: as they are named, or those that run."""
    if named:
        there = (each for each in named if os.path.isdir(each.directory))
        return [(each, each.read_state()) for each in there]
    found = [(each, each.read_state()) for each in every()]
    return [each for each in found if everybody or each[1]["status"] in _RUNS]


def measure(containers: list[tuple[Container, dict[str, Any]]]) -> dict[str, Sample]:
    return {
        each.id: take_sample(fields, own_network=network_mode(fields, each.spec_or_empty) != "host")
        for each, fields in containers
        if fields["status"] in _RUNS
    }


def describe(
    container: Container,
    fields: dict[str, Any],
    before: Sample | None,
    now: Sample | None,
    *,
    whole: bool,
) -> dict[str, Any]:
    """Return a row in docker's words; nothing is used by one that does not run."""
    now = now or Sample(0.0, 0, 0, 0, 0, (0, 0), (0, 0))
    limit = memory_total() if now.memory_limit is None else now.memory_limit
    return {
        "ID": container.id if whole else container.id[:12],
        "Container": container.id if whole else container.id[:12],
        "Name": fields["name"],
        "CPUPerc": cpu_percent(before, now),
        "MemUsage": f"{_or_unknown(now.memory, binary_size)} / {binary_size(limit)}",
        "MemPerc": _percent(now.memory, limit),
        "NetIO": _pair(now.network),
        "BlockIO": _pair(now.block),
        "PIDs": _or_unknown(now.pids, str),
    }


def cpu_percent(before: Sample | None, now: Sample) -> str:
    """Return the part of one processor that was used between two samples."""
    if before is None or before.cpu is None or now.cpu is None or now.moment <= before.moment:
        return "0.00%"
    used = max(0, now.cpu - before.cpu) / 1e9  # less than before: it was started again
    return f"{100 * used / (now.moment - before.moment):.2f}%"


def memory_total() -> int:
    """Return the bytes of this host's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def binary_size(size: float) -> str:
    """Return bytes as docker shows memory: ``1.5MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.4g}{unit}"
        size /= 1024
    return f"{size:.4g}TiB"


def _percent(part: int | None, of: int) -> str:
    return _UNKNOWN if part is None else f"{100 * part / of if of else 0:.2f}%"


def _pair(values: tuple[int, int] | None) -> str:
    if values is None:
        return _UNKNOWN
    return " / ".join(map(human_size, values))


def _or_unknown(value: int | None, say: Any) -> str:
    return _UNKNOWN if value is None else say(value)
