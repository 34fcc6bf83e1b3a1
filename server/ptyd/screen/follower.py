"""A follower: an emulator as a cursor on the files of a journal.

It reads what the server writes, with no help from it but the journal's end: a record is on disk
before the bytes that follow it, so up to that end everything is there. Resizes take effect at
their offsets, in order, and so do starts: each program begins on a blank screen. Rotation may take
a segment that was not read yet; the bytes of an open one stay readable.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Final, NamedTuple

from ptyd.journal.index import RECORD_SIZE, RESIZE, START, Record, parse
from ptyd.journal.journal import Journal
from ptyd.screen import keepsake
from ptyd.screen.emulator import Emulator, clamp

SKIMMED: Final = 4 << 20
"""Bytes that are looked at together, to see whether only their end need be drawn."""
MUCH: Final = 256 << 10
"""Bytes to be read that make that worth while."""
_INDEX_READ: Final = 2048 * RECORD_SIZE


class Reply(NamedTuple):
    """What a terminal answers to the query that ends at ``end``: nothing if it does not know it."""

    end: int
    data: bytes


class Follower:
    """The screen at ``offset``; call :meth:`step` until that is ``end``."""

    def __init__(self, folder: str, rows: int, cols: int, scrollback: int, keep: int) -> None:
        """``keep``: the most bytes of a state that is kept beside a segment."""
        self.offset = 0
        self.end = 0
        self.emulator = Emulator(rows, cols, scrollback)
        self._folder = folder
        self._keep = keep
        self._first = (rows, cols, scrollback)
        self._out = self._idx = -1
        self._start = 0
        self._index_at = 0
        self._last: Record | None = None
        self._marks: list[Record] = []
        self._epoch: int | None = None
        self._not_plain_until = 0
        self._queries: deque[tuple[int, int]] = deque()
        self._replies: list[Reply] = []

    @property
    def is_behind(self) -> bool:
        return self.offset < self.end

    def grow(self, end: int) -> None:
        """Take note that the journal reaches to ``end``, or that a resize was recorded there."""
        self.end = max(self.end, end)
        if self._out < 0:
            self._find_start()
        if self._out >= 0:
            self._pass_marks()

    def expect_queries(self, spans: list[tuple[int, int]]) -> None:
        """Take note of where queries lie whose replies are wanted, in order."""
        self._queries += [(start, end) for start, end in spans]

    def take_replies(self) -> list[Reply]:
        """Return the replies to the queries that have been passed since the last call."""
        replies, self._replies = self._replies, []
        return replies

    def step(self, size: int) -> None:
        """Feed up to ``size`` bytes; fewer up to a mark or query, none where a segment ends."""
        self._advance(size)
        # Fed query by query, so that what the emulator has to say is the answer to this very one.
        said = self.emulator.replies()
        while self._queries and self._queries[0][1] <= self.offset:
            end = self._queries.popleft()[1]
            self._replies.append(Reply(end, said if end == self.offset else b""))

    def _advance(self, size: int) -> None:
        if self._out < 0:
            if not self._find_start():
                self.offset = self.end  # the journal is gone, and nothing will come
            return  # perhaps past the first queries
        stop = min([self.end, *(each.offset for each in self._marks[:1])])
        if self._queries:
            start, end = self._queries[0]
            stop = min(stop, start if self.offset < start else end)
        if stop - self.offset >= MUCH and self.offset >= self._not_plain_until:
            self._skim(min(stop, self.offset + SKIMMED))
            return
        stop = min(stop, self.offset + size)
        data = os.pread(self._out, stop - self.offset, self.offset - self._start)
        if data:
            self.emulator.feed(data)
            self.offset += len(data)
            self._pass_marks()
        elif not self._open(self.offset):
            self._close()  # overtaken by rotation: from the oldest state there is
        else:
            keepsake.write(self._folder, self.offset, self.emulator, self._keep)
            self._pass_marks()

    def _skim(self, stop: int) -> None:
        """Pass what need not be drawn, up to ``stop`` or the segment's end, or leave it to draw."""
        data = os.pread(self._out, stop - self.offset, self.offset - self._start)
        lines = data[: data.rfind(b"\r\n") + 2]
        if self.emulator.skim(lines):
            self.offset += len(lines)
            self._pass_marks()
        else:
            self._not_plain_until = self.offset + max(len(data), 1)

    def close(self) -> None:
        self._close()
        self.emulator.close()

    def _close(self) -> None:
        for fd in (self._out, self._idx):
            if fd >= 0:
                os.close(fd)
        self._out = self._idx = -1

    def _find_start(self) -> bool:
        """Go to the newest usable state at or before the end; return False without a journal."""
        journal = Journal(self._folder)
        try:
            journal.load()
        except FileNotFoundError:
            return False
        # No end but the journal's own: waiting for bytes that never come would be a busy loop.
        self.end = min(self.end, journal.end)
        starts = [segment.start for segment in journal.segments if segment.start <= self.end]
        for start in reversed(starts):
            kept = keepsake.read(self._folder, start)
            if kept is not None and self._open(start):
                return self._go_on(start, kept)
        if not starts or not self._open(starts[0]):
            return False
        return self._go_on(starts[0], Emulator(*self._first))

    def _go_on(self, start: int, emulator: Emulator) -> bool:
        self.emulator.close()
        self.offset, self.emulator, self._epoch = start, emulator, None
        self._pass_marks()
        return True

    def _open(self, start: int) -> bool:
        """Change to the segment that begins at ``start``; return False if there is none."""
        base = f"{self._folder}/{start:020d}"
        try:
            out = os.open(base + ".out", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        self._close()
        self._start, self._out, self._index_at = start, out, 0
        self._last, self._marks = None, []
        return True

    def _pass_marks(self) -> None:
        """Apply the resizes and starts up to the offset, and keep the ones after it."""
        while True:
            if not self._marks:
                self._read_index()
            if not self._marks or self._marks[0].offset > self.offset:
                return
            mark = self._marks.pop(0)
            if mark.kind == START:
                self._start_epoch(mark)
            elif clamp(mark.a, mark.b) != self.emulator.size:
                self.emulator.resize(mark.a, mark.b)

    def _start_epoch(self, mark: Record) -> None:
        """Begin on a blank screen where a program starts anew; its segment only repeats the start.

        Nothing of the old one stays, no history either: that is what the journal is for.
        """
        # Where nothing was said about the state that we went on from, the segment says it first.
        is_repeated = mark.a == self._epoch or (self._epoch is None and mark.offset == self._start)
        self._epoch = mark.a
        if not is_repeated:
            size = self.emulator.size
            self.emulator.close()
            self.emulator = Emulator(*size, self._first[2])

    def _read_index(self) -> None:
        """Read the records that were added, up to the end that we know of."""
        if self._idx < 0:
            try:
                flags = os.O_RDONLY | os.O_CLOEXEC
                self._idx = os.open(f"{self._folder}/{self._start:020d}.idx", flags)
            except FileNotFoundError:
                return
        # The last record is read again: a resize that no byte followed is replaced in its place.
        position = max(0, self._index_at - RECORD_SIZE)
        while data := os.pread(self._idx, _INDEX_READ, position):
            records = parse(data, self.end)
            position += len(records) * RECORD_SIZE
            whole = len(records) * RECORD_SIZE == _INDEX_READ
            if records and records[0] == self._last:
                del records[0]
            if records:
                self._last = records[-1]
            self._marks += [each for each in records if each.kind in (START, RESIZE)]
            if not whole:
                break
        self._index_at = position
