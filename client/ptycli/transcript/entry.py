"""Entries: the lines of each stream, long ones in parts, as docker and kubernetes keep them."""

from __future__ import annotations

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
        self._held: dict[int, tuple[bytes, list[tuple[int, int]]]] = {}

    def feed(self, kind: int, time_ns: int, data: bytes) -> Iterator[Entry]:
        """Yield what is complete with these bytes; the rest is held."""
        held, times = self._held.pop(kind, (b"", []))
        times.append((len(held), time_ns))
        data = held + data
        at = 0
        while at < len(data):
            newline = data.find(b"\n", at, at + LONGEST + 1)
            if newline >= 0:
                yield Entry(kind, _time_at(times, at), data[at:newline], is_whole=True)
                at = newline + 1
            elif len(data) - at > LONGEST:
                cut = between_characters(data, at + LONGEST)
                yield Entry(kind, _time_at(times, at), data[at:cut], is_whole=False)
                at = cut
            else:
                break
        if at < len(data):
            rest = [(max(0, place - at), time) for place, time in times if place > at]
            self._held[kind] = data[at:], [(0, _time_at(times, at)), *rest]

    def finish(self) -> Iterator[Entry]:
        """Yield the lines that nobody ends."""
        for kind, (data, times) in self._held.items():
            yield Entry(kind, times[0][1], data, is_whole=False)
        self._held = {}


def _time_at(times: list[tuple[int, int]], place: int) -> int:
    """Return the time of the byte at ``place``; ``times`` are where each time begins."""
    found = times[0][1]
    for begin, time_ns in times:
        if begin > place:
            break
        found = time_ns
    return found


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
