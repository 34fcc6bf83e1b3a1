"""Output between the connection and the user's terminal, in order, with its journal offsets."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from ptywire.message import STDERR

if TYPE_CHECKING:
    from ptyc.modes import Modes
    from ptyc.sink import Sink
    from ptywire.message import Output, Snapshot

LIMIT: Final = 2 << 20
"""Bytes that may wait to be shown before the connection is not read any more.

A server keeps at most 1 MiB in flight, so only one that breaks the rules comes here: pings of the
others are always read and answered, however slow the terminal is.
"""
_GATHER: Final = 16  # buffers in one writev(2)


class _Item(NamedTuple):
    sink: Sink
    data: memoryview
    end: int  # journal offset once this is shown; -1: not from the journal


class Display:
    """What was received and is not shown yet; ``modes`` when standard output is a terminal."""

    def __init__(self, out: Sink, err: Sink, modes: Modes | None) -> None:
        self.received = 0
        self.rendered = 0
        self.waiting = 0
        self._out, self._err, self._modes = out, err, modes
        self._queue: deque[_Item] = deque()

    @property
    def is_full(self) -> bool:
        return self.waiting >= LIMIT

    @property
    def is_empty(self) -> bool:
        return not self._queue

    @property
    def next_sink(self) -> Sink | None:
        """Where the next bytes go, to be polled for POLLOUT; None when all is shown."""
        return self._queue[0].sink if self._queue else None

    def start_at(self, offset: int) -> None:
        """The server goes on at ``offset``."""
        self.received = offset
        if not self._queue:
            self.rendered = offset

    def output(self, message: Output) -> None:
        self.received = message.end
        self._put(self._err if message.kind == STDERR else self._out, message.data, message.end)

    def snapshot(self, message: Snapshot) -> None:
        """Show this instead of everything that waits."""
        self.received = message.end
        reset = b""
        if self._modes is not None:
            kept = [item for item in self._queue if item.end < 0]
            self._queue.clear()
            self.waiting = 0
            for item in kept:
                self._put(item.sink, item.data, -1)
            reset = self._modes.reset()
        self._put(self._out, reset + message.data, message.end)

    def clear(self) -> None:
        """What follows is not the continuation of what was shown: start with a clear terminal."""
        if self._modes is not None:
            self._put(self._out, self._modes.reset(), -1)

    def notice(self, line: str, *, raw: bool = False) -> None:
        """Show a line of ours on standard error, between the program's bytes.

        ``raw`` when the terminal is: the cursor may be anywhere, and a newline does not bring it
        back to the first column.
        """
        framed = f"\r\n{line}\r\n" if raw and self._err.is_terminal else f"{line}\n"
        self._put(self._err, framed.encode(), -1)

    def write(self) -> None:
        """Show what one write takes. Call after poll(2); raise OSError of the write."""
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
