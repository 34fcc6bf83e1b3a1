"""Entries: the lines of each stream, long ones in parts, as docker and kubernetes keep them."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 16 << 10
"""Bytes of one entry, as docker's and containerd's; a longer line comes in parts."""


class Entry(NamedTuple):
    """A line without its newline, or a part of one that goes on (``is_whole`` false)."""

    kind: int
    time_ns: int
    data: bytes
    is_whole: bool


class Entries:
    """Makes entries of runs; what a line is does not depend on how it was cut into runs."""

    def __init__(self) -> None:
        self._held: dict[int, _Held] = {}

    def feed(self, kind: int, time_ns: int, data: bytes) -> Iterator[Entry]:
        """Yield what is complete with these bytes; the rest is held."""
        held, base, times = self._held.pop(kind, _Held(b"", 0, []))
        times.append((base + len(held), time_ns))
        data = held + data
        at = 0
        while at < len(data):
            newline = data.find(b"\n", at, at + LONGEST + 1)
            if newline >= 0:
                yield Entry(
                    kind, times[_index(times, base + at)][1], data[at:newline], is_whole=True
                )
                at = newline + 1
            elif len(data) - at > LONGEST:
                cut = between_characters(data, at + LONGEST)
                yield Entry(kind, times[_index(times, base + at)][1], data[at:cut], is_whole=False)
                at = cut
            else:
                break
        if at < len(data):
            # Only when something went: a line of 16 KiB may come in as many pieces.
            if at:
                del times[: _index(times, base + at)]
            self._held[kind] = _Held(data[at:], base + at, times)

    def held(self, kind: int) -> int:
        """Return how many bytes, the last that were fed of a kind, are held."""
        return len(self._held[kind].data) if kind in self._held else 0

    def finish(self) -> Iterator[Entry]:
        """Yield the lines that nobody ends."""
        for kind, (data, _, times) in self._held.items():
            yield Entry(kind, times[0][1], data, is_whole=False)
        self._held = {}


class _Held(NamedTuple):
    """The beginning of a line, from ``base`` of its stream on; ``times`` from where on each is."""

    data: bytes
    base: int
    times: list[tuple[int, int]]


def _index(times: list[tuple[int, int]], place: int) -> int:
    """Return which of the times is that of the byte at ``place``."""
    return bisect_right(times, place, key=lambda each: each[0]) - 1


def between_characters(data: bytes, limit: int) -> int:
    """Return ``limit`` or a little less, so that no UTF-8 character is cut there."""
    for back in range(4):
        byte = data[limit - back]
        if byte & 0xC0 != 0x80:  # not a continuation
            return limit - back if back < _length(byte) else limit
    return limit


def _length(byte: int) -> int:
    """Return how long a UTF-8 character is by its first byte (RFC 3629), 1 if it is none."""
    if 0xC2 <= byte <= 0xDF:
        return 2
    if 0xE0 <= byte <= 0xEF:
        return 3
    return 4 if 0xF0 <= byte <= 0xF4 else 1
