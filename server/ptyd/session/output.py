"""Output: what readers of the wire are shown of the journal, as messages they share.

It ends where the journal does, or before the beginning of what may be a terminal query: those go to
one client only, whole.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ptyd.journal.index import TERMINAL
from ptyd.session.answering import SCREEN, Answering, take_out
from ptyd.session.frame import Frame, Frames, encode_frame

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ptyd.journal.journal import Journal

CHUNK: Final = 64 << 10
"""Bytes at most in one message of output."""
REPLAY: Final = 64 << 10
"""Bytes of history that stand for the screen."""
SETTLE: Final = 0.05
"""Seconds after which a sequence that is not ended is shown as it is."""


class Output:
    """One session's journal as frames."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        journal: Journal,
        *,
        tty: bool,
        on_settled: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._journal = journal
        self._tty = tty
        self._on_settled = on_settled
        self.frames = Frames()
        self.answering = Answering(journal.end)
        self._settling: asyncio.TimerHandle | None = None
        self._edited: tuple[object, Frame] | None = None

    def show(self, start: int, end: int, *, framed: bool) -> bool:
        """Take what was appended; return whether there is a query that the screen must answer.

        ``framed``: somebody reads, so that encoding it is worth while.
        """
        asked = False
        kind = TERMINAL
        if self._tty:
            start, scanned = self.answering.settled, self.answering.scanned
            data = self._read(scanned, end)
            queries = self.answering.scan(data, time.monotonic())
            asked = any(query.number == SCREEN for query in queries)
            data = data[start - scanned : self.answering.settled - scanned]
            if self.answering.settled < end and self._settling is None:
                self._settling = self._loop.call_later(SETTLE, self.settle)
        else:
            kind, data = self._journal.run_at(start)[0], self._read(start, end)
        if data and framed:
            self.frames.add(encode_frame(start, data, kind))
        return asked

    def settle(self) -> None:
        """Show what looks like the beginning of a query: it may be none, and is late."""
        self._settling = None
        start, end = self.answering.settled, self._journal.end
        if self._tty and start < end:
            self.answering.settled = end
            self._on_settled()

    @property
    def end(self) -> int:
        """Up to where readers of the wire are shown the output."""
        return self.answering.settled if self._tty else self._journal.end

    def _read(self, start: int, end: int) -> bytes:
        """Return journal bytes across segments."""
        data = self._journal.read(start, end - start)
        while start + len(data) < end:
            data += self._journal.read(start + len(data), end - start - len(data))
        return data

    def _frame(self, start: int, end: int) -> Frame:
        kind = TERMINAL if self._tty else self._journal.run_at(start)[0]
        return encode_frame(start, self._read(start, end), kind)

    def frame_for(self, number: int, offset: int, limit: int, room: int) -> Frame:
        """As :meth:`frame_at`, without the queries that are not for client ``number``."""
        frame = self.frame_at(offset, limit, room)
        foreign = self.answering.foreign(frame.start, frame.end, number)
        if not foreign:
            return frame
        key = (frame.start, frame.end, *foreign)
        if self._edited is None or self._edited[0] != key:
            data = take_out(self._read(frame.start, frame.end), frame.start, foreign)
            edited = encode_frame(frame.start, data, TERMINAL, frame.end)
            self._edited = (key, edited)  # the next reader wants the same
        return self._edited[1]

    def frame_at(self, offset: int, limit: int, room: int) -> Frame:
        """Return the message that goes on from ``offset``: the shared one where that fits.

        ``limit`` is the offset not to be passed, ``room`` the bytes that may be sent.
        """
        shared = self.frames.at(offset)
        if shared is not None and shared.end <= limit and shared.end - offset <= room:
            return shared
        end = min(limit, offset + room, offset + CHUNK)
        boundary = self.frames.boundary_after(offset)
        if boundary is not None and boundary > offset:
            end = min(end, boundary)
        if not self._tty:
            end = min(end, self._journal.run_at(offset)[1])
        return self._frame(offset, min(end, self._journal.segment_of(offset).end))

    def replay_start(self, size: int = REPLAY) -> int:
        """Return where a replay of at most ``size`` bytes begins: after a newline, if any."""
        start = max(self._journal.start, self._journal.end - size)
        if start == 0:
            return 0
        offset = start
        while offset < self._journal.end:
            chunk = self._journal.read(offset, size)
            newline = chunk.find(b"\n")
            if newline >= 0:
                return offset + newline + 1
            offset += len(chunk)
        return start
