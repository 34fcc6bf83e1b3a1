"""The journal: segments in a row, bounded in total, with one writer and any number of readers.

A reader is an offset. Nothing here knows who reads, and no reader holds anything back: the oldest
segment goes when the limit is reached, and a reader that wanted it sees ``start`` beyond its place.
"""

from __future__ import annotations

import errno
import os
import time
from typing import Final, NamedTuple

from ptyd.journal.index import RESIZE, START, TERMINAL, Record
from ptyd.journal.segment import Segment, starts

SEGMENT_SIZE: Final = 4 << 20
DEFAULT_LIMIT: Final = 64 << 20
MIN_LIMIT: Final = 256 << 10
SAME_MOMENT_NS: Final = 1_000_000
"""Bytes of one kind that follow within this time share a record."""

_OPEN_READERS: Final = 4  # sealed segments kept open; more laggards than that are spread too far


class Place(NamedTuple):
    """Where an offset lies in a file, and how many bytes from there are in that file."""

    fd: int
    position: int
    available: int


class Full(OSError):
    """No space left, nothing was moved that is not in the journal now."""


class Journal:
    """The output of one session, ``start`` to ``end``."""

    def __init__(
        self, folder: str, limit: int = DEFAULT_LIMIT, default_kind: int = TERMINAL
    ) -> None:
        self.folder = folder
        self.limit = max(limit, MIN_LIMIT)
        self.segment_size = min(SEGMENT_SIZE, self.limit // 4)
        self.kept_size = self.limit // 8
        """The most bytes of a screen's state beside a segment, of which there are two or none."""
        self.default_kind = default_kind
        self.damage: str = ""
        self.segments: list[Segment] = []
        self._stranded: list[Segment] = []
        self._readers: list[Segment] = []
        self._last: Record | None = None
        self._context: dict[int, Record] = {}

    # Opening

    def open_for_writing(self) -> None:
        """Create the journal, or go on where the last server was killed."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self.load()
        if not self.segments:
            self.segments.append(Segment.create(self.folder, 0))
            return
        self.segments[-1].open_for_writing()
        # All of them: killed in the middle of a rotation, the last one does not repeat the context.
        for record in self.records():
            self._note(record)
        held = self.segments[-1].records
        self._last = held[-1] if held else None

    def load(self) -> None:
        """Find the segments; those before a hole are damage: nobody reads them.

        They stay, for whoever wants to save them, until their place is wanted: they are counted,
        and the first to go.
        """
        self.segments, self._stranded = [], []
        for start in starts(self.folder):
            segment = Segment.load(self.folder, start)
            if self.segments and self.segments[-1].end != start:
                self.damage = f"bytes {self.segments[-1].end} to {start} are missing"
                self._stranded += self.segments
                self.segments = []
            self.segments.append(segment)

    def close(self) -> None:
        for segment in self.segments:
            segment.close()

    @property
    def start(self) -> int:
        return self.segments[0].start if self.segments else 0

    @property
    def end(self) -> int:
        return self.segments[-1].end if self.segments else 0

    @property
    def size(self) -> int:
        """Bytes on disk: index, damage and the states that the screen keeps included."""
        held = (*self._stranded, *self.segments)
        return sum(s.end - s.start + s.index_size + s.kept_size for s in held)

    # Writing

    def mark(self, kind: int, a: int = 0, b: int = 0) -> Record:
        """Write a moment (a resize, a start, an exit) at the end; raise Full.

        A resize replaces one before it that no byte followed: a window that is dragged around
        for an hour would otherwise fill the disk.
        """
        record = Record(self.end, time.time_ns(), kind, a, b)
        last = self._last
        again = last is not None and (last.kind, last.offset) == (kind, self.end)
        self._write_record(record, replace=kind == RESIZE and again)
        return record

    def label(self, kind: int) -> None:
        """Say that the bytes appended next are of this kind; raise Full.

        Also the moment to change segments: no bytes are under way between label and append.
        """
        last_segment = self.segments[-1]
        held = last_segment.end - last_segment.start
        # Not an empty one, whatever its index has grown to: the next would have the same name.
        if held and (
            held >= self.segment_size or last_segment.index_size >= self.segment_size // 16
        ):
            self._rotate()
        now = time.time_ns()
        last = self._last
        if last is None or last.kind != kind or not 0 <= now - last.time_ns < SAME_MOMENT_NS:
            self._write_record(Record(self.end, now, kind))

    def splice_from(self, pipe_fd: int, size: int) -> int:
        """Move up to ``size`` bytes from a pipe to the end; return how many, raise Full.

        Each move is atomic: whenever we are killed, bytes are in the pipe or in the file.
        """
        segment = self.segments[-1]
        try:
            moved = os.splice(
                pipe_fd,
                segment.fd,
                size,
                offset_dst=segment.end - segment.start,
                flags=os.SPLICE_F_NONBLOCK,
            )
        except OSError as error:
            raise _translate(error) from None
        segment.end += moved
        return moved

    def append(self, data: bytes | memoryview) -> int:
        """Write up to all of ``data`` at the end; return how many bytes, raise Full."""
        segment = self.segments[-1]
        try:
            written = os.pwrite(segment.fd, data, segment.end - segment.start)
        except OSError as error:
            raise _translate(error) from None
        segment.end += written
        return written

    def _write_record(self, record: Record, *, replace: bool = False) -> None:
        try:
            self.segments[-1].add_record(record, replace=replace)
        except OSError as error:
            raise _translate(error) from None
        self._note(record)

    def _note(self, record: Record) -> None:
        self._last = record
        if record.kind in (START, RESIZE):
            self._context[record.kind] = record

    def _rotate(self) -> None:
        """Start a new segment, which repeats the epoch and the size, and drop the oldest."""
        old, end = self.segments[-1], self.end
        try:
            segment = Segment.create(self.folder, end)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                return  # the old one grows until there are descriptors again
            raise _translate(error) from None
        old.close()
        self.segments.append(segment)
        self._last = None
        while self.size > self.limit and self.drop_oldest():
            pass
        for record in sorted(self._context.values()):
            self._write_record(record._replace(offset=end))

    def drop_oldest(self) -> bool:
        """Delete the oldest segment, never the one being written; return whether there was one."""
        if self._stranded:
            self._stranded.pop(0).remove()
            return True
        if len(self.segments) < 2:
            return False
        segment = self.segments.pop(0)
        if segment in self._readers:
            self._readers.remove(segment)
        segment.remove()
        return True

    # Reading

    def place(self, offset: int) -> Place:
        """Return where the byte at ``offset`` is; ``start <= offset < end``."""
        segment = self.segment_of(offset)
        return Place(segment.fd, offset - segment.start, segment.end - offset)

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset`` on, fewer where a segment ends."""
        if offset >= self.end:
            return b""
        fd, position, available = self.place(offset)
        return os.pread(fd, min(size, available), position)

    def run_at(self, offset: int) -> tuple[int, int]:
        """Return the kind of the byte at ``offset`` and an offset up to which it holds."""
        return self.segment_of(offset).run_at(offset, self.default_kind)

    def records(self) -> list[Record]:
        """Return every record held, in order; repeated context of later segments included."""
        return [record for segment in self.segments for record in segment.records]

    def segment_of(self, offset: int) -> Segment:
        """Return the segment of ``offset``, which must be held; the live one is the common case."""
        last = self.segments[-1]
        if offset >= last.start:
            return last
        for segment in reversed(self.segments[:-1]):
            if offset >= segment.start:
                self._keep_open(segment)
                return segment
        raise IndexError(f"offset {offset} is before the journal's start {self.start}")

    def _keep_open(self, segment: Segment) -> None:
        if segment in self._readers:
            return
        self._readers.append(segment)
        if len(self._readers) > _OPEN_READERS:
            self._readers.pop(0).close()


def _translate(error: OSError) -> OSError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return Full(error.errno, error.strerror) if full else error
