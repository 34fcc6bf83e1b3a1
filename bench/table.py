"""The table: rows of medians, and the ratios of two sides that ran in turn."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20


class Row(NamedTuple):
    """One line of the table: what, ours, the other side, the ratio with its spread, the goal."""

    what: str
    ours: str
    other: str = ""
    ratio: str = ""
    goal: str = ""


HEAD = Row("what", "ptyd", "other", "ratio", "goal")


def pairs(
    count: int, ours: Callable[[], float], other: Callable[[], float]
) -> list[tuple[float, float]]:
    results: list[tuple[float, float]] = []
    for index in range(count):
        if index % 2:
            second = other()
            results.append((ours(), second))
        else:
            first = ours()
            results.append((first, other()))
    return results


def middle(values: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the medians of ours and of the other."""
    return statistics.median(ours for ours, _ in values), statistics.median(o for _, o in values)


def spread(ratios: list[float]) -> str:
    """Return the median and, so that nobody trusts a noisy one, the least and the greatest."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def speeds(what: str, mib: int, values: list[tuple[float, float]], goal: str = "") -> Row:
    """Return a row of speeds: above 1 is faster than the other."""
    ours, other = middle(values)
    ratio = spread([second / first for first, second in values])
    return Row(what, f"{mib / ours:.1f} MiB/s", f"{mib / other:.1f} MiB/s", ratio, goal)


def times(what: str, values: list[tuple[float, float]], goal: str = "") -> Row:
    """Return a row of times: above 1 is slower than the other."""
    ours, other = middle(values)
    ratio = spread([first / second for first, second in values])
    return Row(what, milliseconds(ours), milliseconds(other), ratio, goal)


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.{1 if seconds < 0.1 else 0}f} ms"


def kibibytes(size: float) -> str:
    return f"{size / 1024:.1f} KiB"


def percentile(values: list[float], percent: float) -> float:
    """Return the smallest value that ``percent`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
