"""Measure ptyd and print a table: ratios, because seconds are those of one machine.

Both sides of a ratio run in turn, in alternating order, and the table has the median of the pairs:
a neighbour that slows the machine for a while slows both. A run in which a byte is lost or wrong
is an error, not a number. ``make bench BENCH_ARGS='--pairs 5 throughput'``
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from functools import partial
from typing import TYPE_CHECKING

import journal
import latency
import launch
import listing
import many
import memory
import throughput
from box import Box
from program import BenchError, build
from table import HEAD, MIB, Row, middle, milliseconds, pairs, speeds, spread, times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIALECTS = ("raw", "ptyd.v1")
VIEWERS = (1, 10, 100)
EACH = 48
"""MiB that each gets: less than the journal holds, so that none is overtaken."""
INTERRUPTS = {1_000_000: 0.25, 100_000: 0.35, 20_000: 1.0}
"""Bytes a second that a viewer reads, and the seconds that Ctrl-C may take."""


MOST = {"keeper": "12 MB", "init": "5 MB"}
"""Goals for one process; what it shares with others counts less the more of them there are."""


def measure_throughput(count: int) -> Iterator[Row]:
    for viewers in VIEWERS:
        other = partial(throughput.ceiling, viewers=viewers, size=EACH * MIB)
        for dialect in DIALECTS:
            ours = partial(throughput.run_box, dialect=dialect, viewers=viewers, size=EACH * MIB)
            what = f"{viewers} x {dialect}, against the ceiling"
            goal = "0.85" if (viewers, dialect) == (100, "ptyd.v1") else "0.8"
            yield speeds(what, EACH, pairs(count, ours, other), goal)
        # Not ptyd at all: what is left to us when the same terminal is read into a journal in C.
        ours = partial(throughput.ceiling_with_journal, viewers=viewers, size=EACH * MIB)
        what = f"{viewers} x C with a journal, against the ceiling"
        yield speeds(what, EACH, pairs(count, ours, other))


def measure_stalled(count: int) -> Iterator[Row]:
    for dialect in DIALECTS:
        run = partial(throughput.run_box, dialect=dialect, viewers=10, size=EACH * MIB)
        what = f"10 x {dialect} beside 3 that never read, against without"
        yield speeds(what, EACH, pairs(count, partial(run, stalled=3), run), "0.95")


def measure_start(count: int) -> Iterator[Row]:
    # Ten times more, because each is short and the first of them reads files from the disk.
    values = pairs(10 * count, latency.start_box, latency.start_python)
    yield times("`ptyd run --rm true`, against bare python", values)


def measure_recovery(count: int) -> Iterator[Row]:
    with Box(["cat"]) as box:
        values = pairs(3 * count, partial(latency.recover, box), latency.start_python)
    yield times("`kill -9` of the server to the next attach, against bare python", values)


def measure_memory(count: int) -> Iterator[Row]:
    with Box(["cat"]) as box:
        pids = {"keeper": box.pid("KeeperPid"), "server": box.pid("ServerPid")}
        for process, pid in {**pids, "init": box.init_pid}.items():
            size = partial(memory.pss, pid)
            values = pairs(count, size, memory.pss_of_python)
            ours, other = middle(values)
            ratio = spread([first / second for first, second in values])
            what = f"memory (PSS) of the {process}, against bare python"
            goal = MOST.get(process, "")
            yield Row(what, f"{ours / MIB:.1f} MiB", f"{other / MIB:.1f} MiB", ratio, goal)


def measure_interrupt(count: int) -> Iterator[Row]:
    for rate, goal in INTERRUPTS.items():
        seconds = statistics.median(latency.interrupt(rate) for _ in range(count))
        what = f"Ctrl-C to its effect under `yes`, read at {rate // 1000} kB/s"
        yield Row(what, milliseconds(seconds), goal=milliseconds(goal))


MEASUREMENTS: dict[str, Callable[[int], Iterator[Row]]] = {
    "throughput": measure_throughput,
    "stalled": measure_stalled,
    "start": measure_start,
    "launch": launch.measure_launch,
    "ps": listing.measure_ps,
    "recovery": measure_recovery,
    "memory": measure_memory,
    "interrupt": measure_interrupt,
    "logs": journal.measure_logs,
    **many.MEASUREMENTS,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3, help="interleaved pairs (3)")
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"of {', '.join(MEASUREMENTS)}")
    options = parser.parse_args()
    if unknown := set(options.what) - set(MEASUREMENTS):
        parser.error(f"unknown: {' '.join(sorted(unknown))}")
    build()
    # Apart from the user's own boxes, and short: sockets live below it (unix(7), 108 bytes).
    root = tempfile.mkdtemp(prefix="ptyd-bench-")
    os.environ["PTYD_ROOT"] = root
    failed = False
    print(f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|")
    try:
        for name in options.what or MEASUREMENTS:
            try:
                for row in MEASUREMENTS[name](options.pairs):
                    print(f"| {' | '.join(row)} |", flush=True)
            except BenchError as error:
                failed = True
                print(f"bench: {name}: {error}", file=sys.stderr)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
