"""Journals as a server would have written them, at times and of sizes that a test chooses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from ptyd.journal.index import OUTPUT_KINDS, RESIZE, START, STDERR, STDOUT, TERMINAL, Record
from ptyd.journal.segment import Segment, starts

if TYPE_CHECKING:
    from collections.abc import Sequence

SECOND = 10**9
NOW = 1_800_000_000 * SECOND


class Printed(NamedTuple):
    """Bytes of one kind, at one moment."""

    kind: int
    time_ns: int
    data: bytes


class Moment(NamedTuple):
    kind: int
    time_ns: int
    a: int = 0
    b: int = 0


class WrittenJournal:
    """Writes segments of about ``segment_size`` bytes, the index record first, as a server does."""

    def __init__(self, folder: str, segment_size: int = 1 << 20) -> None:
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.segment_size = segment_size
        self.segment = Segment.create(folder, 0)
        self.context: dict[int, Record] = {}

    def write(self, items: Sequence[Printed | Moment]) -> None:
        for item in items:
            if isinstance(item, Printed):
                self.print(item)
            else:
                self.mark(item)

    def print(self, item: Printed) -> None:
        if self.segment.end - self.segment.start >= self.segment_size:
            self.rotate()
        self.segment.add_record(Record(self.segment.end, item.time_ns, item.kind))
        os.pwrite(self.segment.fd, item.data, self.segment.end - self.segment.start)
        self.segment.end += len(item.data)

    def mark(self, item: Moment) -> None:
        record = Record(self.segment.end, item.time_ns, item.kind, item.a, item.b)
        if item.kind in (START, RESIZE):
            self.context[item.kind] = record
        self.segment.add_record(record)

    def rotate(self) -> None:
        end = self.segment.end
        self.segment.close()
        self.segment = Segment.create(self.folder, end)
        for record in self.context.values():
            self.segment.add_record(record._replace(offset=end))

    def drop_oldest(self) -> None:
        held = starts(self.folder)
        if len(held) > 1:
            Segment(self.folder, held[0]).remove()

    def close(self) -> None:
        self.segment.close()


TEXTS = st.binary(min_size=1, max_size=40) | st.text("añ€😀\n\r", min_size=1, max_size=20).map(
    str.encode
)
"""Bytes as programs print them: lines, characters of every length, and no text at all."""

TIMES = st.integers(NOW, NOW + 5)
"""Few, and in no order: clocks are set back."""


def printed(kinds: Sequence[int]) -> st.SearchStrategy[list[Printed]]:
    """Return what a program prints, on a terminal or on two pipes."""
    return st.lists(st.builds(Printed, st.sampled_from(kinds), TIMES, TEXTS), max_size=30)


OUTPUT = printed([TERMINAL]) | printed([STDOUT, STDERR])


def by_kind(items: Sequence[Printed]) -> dict[int, bytes]:
    """Return all the bytes of each kind."""
    return {
        kind: b"".join(item.data for item in items if item.kind == kind) for kind in OUTPUT_KINDS
    }
