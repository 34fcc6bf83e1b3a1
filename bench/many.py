"""The measurements of many viewers, of late joins and of what a screen costs."""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING

import crowd
import join
from program import BenchError
from table import MIB, Row, kibibytes, milliseconds, pairs, percentile, speeds, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STALLED = 100
IDLE = 1000
FLOOD = 32
"""MiB of a flood."""


def measure_many_stalled(count: int) -> Iterator[Row]:
    run = partial(crowd.flood, readers=10, size=FLOOD * MIB)
    for who, wish in (("from now on", crowd.FROM_NOW), ("like a page", crowd.LIKE_A_PAGE)):
        # What a screen takes to start is in the measurements of joins.
        ours = partial(run, stalled=STALLED, wish=wish, visit=wish is crowd.LIKE_A_PAGE)
        what = f"10 x ptyd.v1 beside {STALLED} that attach {who} and never read, against without"
        yield speeds(what, FLOOD, pairs(count, ours, run), "0.95")


def measure_viewer_memory(count: int) -> Iterator[Row]:
    sizes = [crowd.stalled_memory(STALLED, FLOOD * MIB) for _ in range(count)]
    what = f"server memory for each of {STALLED} viewers that never read, under a flood"
    yield Row(what, kibibytes(statistics.median(sizes)), goal="64 KiB")
    sizes = [crowd.idle_memory(IDLE) for _ in range(count)]
    what = f"server memory for each of {IDLE} idle viewers"
    yield Row(what, kibibytes(statistics.median(sizes)), goal="20 KiB")


def measure_echo(count: int) -> Iterator[Row]:
    among: list[list[float]] = []
    alone: list[list[float]] = []
    for _ in range(count):
        among.append(crowd.echo(IDLE))
        alone.append(crowd.echo(0))
    for percent, goal in ((50, "1.5"), (99, "")):
        both = [percentile(keys, percent) for keys in among]
        one = [percentile(keys, percent) for keys in alone]
        ratio = spread([first / second for first, second in zip(both, one, strict=True)])
        ours, other = statistics.median(both), statistics.median(one)
        what = f"echo of a key (p{percent}) among {IDLE} viewers, against alone"
        yield Row(what, milliseconds(ours), milliseconds(other), ratio, goal)


def measure_loop(count: int) -> Iterator[Row]:
    for viewers in (1, IDLE):
        runs = [crowd.loop_held(viewers) for _ in range(count)]
        raw = [value for each, _ in runs for value in each]
        net = [value for _, each in runs for value in each]
        for name, percent in (("p99", 99), ("longest", 100)):
            yield Row(
                f"event loop held under a flood to {viewers}, {name} (other: with the time"
                " that the scheduler took)",
                milliseconds(percentile(net, percent)),
                milliseconds(percentile(raw, percent)),
                goal="10 ms" if percent == 100 else "",
            )


def measure_join(count: int) -> Iterator[Row]:
    empty = statistics.median(join.join_empty() for _ in range(count))
    with join.FullBox(watched=True) as full:
        warm = statistics.median(full.join_warm() for _ in range(count))
        yield join_row("screen runs", warm, empty, milliseconds(empty + 0.06))
        if not full.keepsakes:
            raise BenchError("the screen kept nothing of a watched flood")
        cold = statistics.median(full.join_cold() for _ in range(count))
        yield join_row("no screen, kept states", cold, empty, "1 s")
    with join.FullBox(watched=False) as full:
        bare = statistics.median(full.join_bare() for _ in range(count))
        yield join_row("no screen, kept states deleted", bare, empty, "")
    yield Row("snapshot of 80x24 coloured words", kibibytes(join.visible_size()), goal="10 KB")


def join_row(what: str, ours: float, empty: float, goal: str) -> Row:
    return Row(
        f"late join to 64 MiB, {what} (other: to an empty session)",
        milliseconds(ours),
        milliseconds(empty),
        "",
        goal,
    )


def measure_screen(count: int) -> Iterator[Row]:
    run = partial(crowd.flood, readers=1, size=FLOOD * MIB)
    what = "1 x ptyd.v1 while a screen runs, against without"
    yield speeds(what, FLOOD, pairs(count, partial(run, visit=True), run))


MEASUREMENTS: dict[str, Callable[[int], Iterator[Row]]] = {
    "many-stalled": measure_many_stalled,
    "viewer-memory": measure_viewer_memory,
    "echo": measure_echo,
    "loop": measure_loop,
    "join": measure_join,
    "screen": measure_screen,
}
