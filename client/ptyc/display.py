"""Output between the connection and the user's terminal, in order, with its journal offsets.

A terminal gets it through a :class:`~ptyc.guard.Guard`; a pipe or file gets every byte. Lines of
ours may *cover* a part of the screen: nothing else is shown then until a snapshot repaints it.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from ptyc.guard import Guard
from ptywire.message import STDERR

if TYPE_CHECKING:
    from ptyc.modes import Modes
    from ptyc.sink import Sink
    from ptyc.title import Title
    from ptywire.message import Output, Snapshot

LIMIT: Final = 2 << 20
"""Bytes that may wait to be shown before the connection is not read any more.

A server keeps at most 1 MiB in flight, so only one that breaks the rules comes here: pings of the
others are always read and answered, however slow the terminal is.
"""
_GATHER: Final = 16  # buffers in one writev(2)
_CANCEL: Final = b"\x18"
"""CAN: out of whatever sequence was cut (ECMA-48)."""


class _Item(NamedTuple):
    sink: Sink
    data: memoryview
    end: int  # journal offset once this is shown; -1: not from the journal


class Display:
    """What was received and is not shown yet; ``modes`` when standard output is a terminal.

    ``title`` is told what the program makes of it.
    """

    def __init__(
        self, out: Sink, err: Sink, modes: Modes | None, title: Title | None = None
    ) -> None:
        self.received = 0
        self.rendered = 0
        self.waiting = 0
        self.is_covered = False
        self._out, self._err, self._modes, self._title = out, err, modes, title
        self._out_guard = None if modes is None else Guard()
        self._err_guard = Guard() if err.is_terminal else None
        self._queue: deque[_Item] = deque()
        self._cover = memoryview(b"")

    @property
    def is_full(self) -> bool:
        return self.waiting >= LIMIT

    @property
    def is_empty(self) -> bool:
        return not self._queue

    @property
    def is_between_sequences(self) -> bool:
        """Whether what is shown next begins neither inside a sequence nor inside a character."""
        return self._out_guard is not None and self._out_guard.ground.is_reached

    @property
    def next_sink(self) -> Sink | None:
        """Where the next bytes go, to be polled for POLLOUT; None when all is shown."""
        if self.is_covered:
            return self._out if self._cover else None
        return self._queue[0].sink if self._queue else None

    def allow(self, *, watches: bool, clipboard: bool) -> None:
        """Set what a terminal of ours may be told, as :meth:`Guard.allow` has it."""
        for guard in (self._out_guard, self._err_guard):
            if guard is not None:
                guard.allow(watches=watches, clipboard=clipboard)

    def start_at(self, offset: int) -> None:
        """The server goes on at ``offset``."""
        self.received = offset
        if not self._queue:
            self.rendered = offset

    def output(self, message: Output) -> None:
        self.received = message.end
        if message.kind == STDERR:
            sink, guard = self._err, self._err_guard
        else:
            sink, guard = self._out, self._out_guard
        data = message.data if guard is None else guard.feed(message.data)
        if self._title is not None and sink is self._out:
            data = self._title.watch(data)
        self._put(sink, data, message.end)

    def snapshot(self, message: Snapshot) -> None:
        """Show this instead of everything that waits."""
        self.received = message.end
        self.uncover()
        if self._modes is None:
            self._put(self._out, message.data, message.end)
            return
        kept = [item for item in self._queue if item.end < 0]
        self._queue.clear()
        self.waiting = 0
        if kept:
            self._put(self._out, _CANCEL, -1)  # what was dropped may have ended a sequence
        for item in kept:
            self._put(item.sink, item.data, -1)
        data = self._repaint(message.data)
        self._put(self._out, self._modes.reset() + data, message.end)

    def _repaint(self, data: bytes) -> bytes:
        """Return a picture as the terminal may have it."""
        if self._out_guard is not None:
            self._out_guard.reset()
            data = self._out_guard.feed(data)
        if self._title is not None:
            data = self._title.watch(data)
        return data

    def clear(self) -> None:
        """What follows is not the continuation of what was shown: start with a clear terminal."""
        if self._modes is not None:
            self._put(self._out, self._modes.reset(), -1)
        if self._out_guard is not None:
            self._out_guard.reset()

    def tell_terminal(self, data: bytes) -> None:
        """Write bytes of ours that leave no trace on the screen, behind what waits.

        Call only where :attr:`is_between_sequences`.
        """
        self._put(self._out, data, -1)

    def cover(self, data: bytes) -> None:
        """Draw over the screen, and show nothing else until a snapshot comes."""
        self.is_covered = True
        self._cover = memoryview(data)

    def uncover(self) -> None:
        """Go on showing, whatever the screen looks like."""
        self.is_covered = False
        self._cover = memoryview(b"")

    def notice(self, line: str, *, raw: bool = False) -> None:
        """Show a line of ours on standard error, between the program's bytes.

        ``raw`` when the terminal is: the cursor may be anywhere, and a newline does not bring it
        back to the first column.
        """
        framed = f"\r\n{line}\r\n" if raw and self._err.is_terminal else f"{line}\n"
        self._put(self._err, framed.encode(), -1)

    def write(self) -> None:
        """Show what one write takes. Call after poll(2); raise OSError of the write."""
        if self.is_covered:
            written = self._out.write([self._cover])
            if self._modes is not None:
                self._modes.feed(self._cover[:written])
            self._cover = self._cover[written:]
            return
        sink = self._queue[0].sink
        buffers: list[memoryview] = []
        for item in islice(self._queue, _GATHER):
            if item.sink is not sink:
                break
            buffers.append(item.data)
        written = sink.write(buffers) if any(buffers) else 0
        self.waiting -= written
        while self._queue and self._queue[0].sink is sink:
            item = self._queue[0]
            if self._modes is not None and sink is self._out:
                self._modes.feed(item.data[:written])
            if written < len(item.data):
                self._queue[0] = item._replace(data=item.data[written:])
                return
            written -= len(item.data)
            self._queue.popleft()
            if item.end >= 0:
                self.rendered = item.end

    def _put(self, sink: Sink, data: bytes | memoryview, end: int) -> None:
        self._queue.append(_Item(sink, memoryview(data), end))
        self.waiting += len(data)
