"""A reader on a journal's files, which somebody else may be writing, rotating and removing.

Nobody is asked: what is in the files is read, in order, from the oldest byte held. An index record
is written before its bytes, so the size of the bytes is looked at first and the index after it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from ptyd.journal.index import (
    BEYOND,
    OUTPUT_KINDS,
    RECORD_SIZE,
    RESIZE,
    START,
    TERMINAL,
    Record,
    parse,
)
from ptyd.journal.segment import Segment, starts

if TYPE_CHECKING:
    from typing import BinaryIO

_RACES: Final = 100
"""Attempts to find a segment before it is gone."""


class Run(NamedTuple):
    """Bytes ``start`` to ``end`` of one kind, printed at one moment (Unix time)."""

    kind: int
    time_ns: int
    start: int
    end: int


Item: TypeAlias = Run | Record
"""What a journal is made of, in order: bytes, and moments between them (resize, start, exit)."""


class Extent(NamedTuple):
    """Bytes ``start`` to ``end`` of one segment's file, and the items among them.

    ``gap`` bytes before them were dropped before this reader came to them.
    """

    path: str
    fd: int
    base: int
    start: int
    end: int
    items: list[Item]
    gap: int = 0

    def read(self, start: int, end: int) -> bytes:
        """Return bytes by their offsets; only until the reader goes on."""
        return os.pread(self.fd, end - start, start - self.base)


class Reader:
    """A cursor on the files of a journal; ``offset`` is where it goes on."""

    def __init__(self, folder: str) -> None:
        self.offset = 0
        self.last_mark: Record | None = None
        """The newest moment that was passed."""
        self._folder = folder
        self._segment: Segment | None = None
        self._index: BinaryIO | None = None
        self._indexed = 0  # bytes of the index that were taken
        self._has_begun = False
        self._context: dict[int, tuple[int, int, int]] = {}
        self._kind, self._time_ns = TERMINAL, 0

    def close(self) -> None:
        """Let go of the files; the cursor stays where it is."""
        if self._segment is not None:
            self._segment.close()
        if self._index is not None:
            self._index.close()
        self._segment = self._index = None

    def end(self) -> int:
        """Return where the journal ends now, or :attr:`offset` if it is gone."""
        try:
            newest = starts(self._folder)[-1]
            return max(self.offset, Segment.load(self._folder, newest).end)
        except (FileNotFoundError, IndexError):
            return self.offset

    @property
    def is_gone(self) -> bool:
        """Whether the journal was removed."""
        return not os.path.isdir(self._folder)

    def take(self, *, limit: int | None = None, final: bool = False) -> Extent | None:
        """Return what comes next, None if there is nothing more yet.

        Nothing beyond ``limit`` is taken. ``final``: nobody writes any more. Before that a resize
        at the end is not believed, because the next one takes its place.
        """
        gap = 0
        while True:
            if self._segment is None:
                if (missing := self._open_next(limit)) is None:
                    return None
                gap += missing
            segment = self._segment
            assert segment is not None
            # In this order: a segment does not grow once there is another, nor does its index.
            is_sealed = self._has_next(segment)
            whole = segment.start + os.fstat(segment.fd).st_size
            wanted = whole if limit is None else min(limit, whole)
            is_cut = wanted < whole
            start, end = self.offset, max(self.offset, wanted)
            items = self._items(end, final=final or (is_sealed and not is_cut))
            if items or gap:
                self.offset = end
                path = segment.path + ".out"
                return Extent(path, segment.fd, segment.start, start, end, items, gap)
            if is_cut or not is_sealed:
                return None
            self.close()

    def _has_next(self, segment: Segment) -> bool:
        try:
            return starts(self._folder)[-1] > segment.start
        except (FileNotFoundError, IndexError):
            return False  # removed; what we have open is all there is

    def _open_next(self, limit: int | None) -> int | None:
        """Open the segment at :attr:`offset`, or the next one held, None if there is none.

        Return how many bytes are missing before it.
        """
        for _ in range(_RACES):
            try:
                held = starts(self._folder)
            except FileNotFoundError:
                return None
            beyond = [start for start in held if start >= self.offset]
            if not beyond or (limit is not None and beyond[0] > limit):
                return None
            segment = Segment(self._folder, beyond[0])
            try:
                modified_ns = os.fstat(segment.fd).st_mtime_ns
            except FileNotFoundError:
                continue  # dropped since
            self._segment, self._indexed = segment, 0
            self._time_ns = self._time_ns or modified_ns
            missing = beyond[0] - self.offset if self._has_begun else 0
            self.offset, self._has_begun = beyond[0], True
            return missing
        return None

    def _items(self, end: int, *, final: bool) -> list[Item]:
        """Return the items from :attr:`offset` to ``end``."""
        items: list[Item] = []
        offset = self.offset
        for record in self._records(end, final=final):
            at = max(record.offset, offset)  # an index that lies does not lead back
            if at > offset:
                items.append(Run(self._kind, self._time_ns, offset, at))
                offset = at
            if record.kind in OUTPUT_KINDS:
                self._kind, self._time_ns = record.kind, record.time_ns
            elif not self._repeats(record):
                self.last_mark = record._replace(offset=at)
                items.append(self.last_mark)
        if end > offset:
            items.append(Run(self._kind, self._time_ns, offset, end))
        return items

    def _records(self, end: int, *, final: bool) -> list[Record]:
        """Return the records up to ``end`` that were not taken yet, and take them."""
        data = self._read_index()
        taken: list[Record] = []
        records = parse(data, BEYOND)
        for record in records:
            if record.offset > end:
                break  # of bytes that come, or were lost with the power
            if (
                record is records[-1]
                and not final
                and (record.kind, record.offset) == (RESIZE, end)
            ):
                break
            taken.append(record)
        self._indexed += len(taken) * RECORD_SIZE
        return taken

    def _read_index(self) -> bytes:
        """Return what is in the index behind what was taken.

        The file stays open: a segment that is dropped while it is read is still labelled.
        """
        assert self._segment is not None
        if self._index is None:
            try:
                self._index = open(self._segment.path + ".idx", "rb", buffering=0)  # noqa: SIM115
            except FileNotFoundError:
                return b""  # a kill between creating the two files
        self._index.seek(self._indexed)
        return self._index.read()

    def _repeats(self, record: Record) -> bool:
        """Tell whether a record only repeats, at the start of a segment, what was said before."""
        if record.kind not in (START, RESIZE):
            return False
        said = (record.time_ns, record.a, record.b)
        repeats = self._context.get(record.kind) == said
        self._context[record.kind] = said
        return repeats
