"""The server's side of a screen process: start it when a picture is wanted, survive what it does.

The screen reads the journal's files by itself; here it is only told how far they go. It parses
hostile bytes with a native library, so it may crash, hang or grow: each ends in no picture for who
waits, and who is then shown the journal's last lines instead, and in a new screen for the next.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptykeep.protocol import receive, send

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

PATIENCE: Final = 2.0
"""Seconds without any progress after which a screen that owes a picture is taken for hung."""
LONGEST: Final = 10.0
"""Seconds after which who waits is not made to wait any more, nor the program for their sake."""
STEP: Final = 64 << 10
"""Bytes of growth worth a message while nobody waits."""
SPANS: Final = 1000
"""Queries in one packet, which holds 64 KiB."""
SCROLLBACK: Final = 1000
"""Lines of history that a screen keeps."""
FIRST_BACKOFF: Final = 0.5
LAST_BACKOFF: Final = 30.0


class Picture(NamedTuple):
    """What repaints a terminal of this size as it was at ``end``."""

    end: int
    rows: int
    cols: int
    data: bytes


class Screens(NamedTuple):
    """What the keeper does: a session's screen is its child, not ours."""

    start: Callable[[socket.socket], None]
    """Start one that speaks on this socket, which is given away."""
    end: Callable[[], None]


class ScreenLink:
    """One session's screen, running or not."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        folder: str,
        size: tuple[int, int],
        keep: int,
        screens: Screens | None,
    ) -> None:
        """``screens`` starts and ends the process; without it there is never one.

        ``keep``: the most bytes of a state that it may keep beside a segment.
        """
        self._keep = keep
        self._loop = loop
        self._screens = screens
        self._folder = folder
        self._size = size
        self._socket: socket.socket | None = None
        self._next = 0
        self._waiting: dict[int, Callable[[Picture | None], None]] = {}
        self._end = 0  # of the journal, as far as we know
        self._told = 0  # to here it was told
        self._asked = 0  # about the queries before this offset
        self._stalled = False  # it reads nothing: what is to be told it waits for room
        self._unasked: list[dict[str, Any]] = []  # requests for pictures that wait for that
        self._backoff = 0.0
        self._not_before = 0.0
        self._deadline: asyncio.TimerHandle | None = None
        self.offset = 0
        self.on_progress: Callable[[], None] = lambda: None
        self.queries: Callable[[int], list[tuple[int, int]]] = lambda _offset: []
        """Asked for the open queries that end behind an offset: the screen is to say its reply."""
        self.on_reply: Callable[[int, str], None] = lambda _end, _data: None
        self.on_failed: Callable[[], None] = lambda: None

    @property
    def is_running(self) -> bool:
        return self._socket is not None

    @property
    def pause(self) -> float:
        """Seconds until a screen may be started again."""
        return max(0.0, self._not_before - time.monotonic())

    def request(
        self, end: int, scrollback: int, callback: Callable[[Picture | None], None]
    ) -> None:
        """Ask for a picture at ``end`` or later; ``callback`` gets it, or None, later."""
        if self._socket is None and not self._start():
            self._loop.call_soon(callback, None)
            return
        self._next += 1
        self._waiting[self._next] = callback
        self._loop.call_later(LONGEST, self._give_up, self._next)
        self._unasked.append(
            {"type": "snapshot", "id": self._next, "at_least": end, "scrollback": scrollback}
        )
        self._tell(end)
        self._watch()

    def wake(self, end: int) -> None:
        """Have the screen read up to ``end``, started if need be."""
        if self._socket is not None or self._start():
            self._tell(end)

    def advance(self, end: int) -> None:
        """The journal has grown."""
        if self._socket is not None and (self._waiting or end - self._told >= STEP):
            self._tell(end)

    def close(self) -> None:
        """End the screen; who waits gets nothing."""
        if self._socket is None:
            return
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        self._socket = None
        self._stalled, self._unasked = False, []
        if self._screens is not None:
            self._screens.end()
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        waiting, self._waiting = self._waiting, {}
        for callback in waiting.values():
            callback(None)

    def _start(self) -> bool:
        if self._screens is None or time.monotonic() < self._not_before:
            return False
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._screens.start(theirs)
        ours.setblocking(False)
        self._socket = ours
        self._end = self._told = self._asked = 0
        self.offset = 0
        self._loop.add_reader(ours.fileno(), self._on_readable)
        rows, cols = self._size
        self._send(
            {
                "type": "open",
                "folder": self._folder,
                "rows": rows,
                "cols": cols,
                "scrollback": SCROLLBACK,
                "keep": self._keep,
            }
        )
        return True

    def _tell(self, end: int) -> None:
        """Say how far the journal goes, before that which queries lie on the way, then ask.

        What the socket has no room for follows when it has: nothing is lost, and the end is told
        once for all that it has grown meanwhile.
        """
        self._end = max(self._end, end)
        if self._stalled:
            return
        end, spans = self._end, self.queries(self._asked)
        for first in range(0, len(spans), SPANS):
            some = spans[first : first + SPANS]
            if not self._send({"type": "queries", "spans": some}):
                return
            self._asked = some[-1][1]
        if spans and not self._told:
            # A new screen begins as late as it can, but no later than what it is asked about.
            self._send({"type": "end", "end": spans[0][1]})
        if not self._send({"type": "end", "end": end}):
            return
        self._told = end
        while self._unasked and self._send(self._unasked[0]):
            del self._unasked[:1]  # all are gone, if that was the end of the screen

    def _send(self, fields: dict[str, Any]) -> bool:
        """Return whether the screen will hear it; if not, it is told again when it has read."""
        if self._socket is None:
            return False
        try:
            send(self._socket, fields)
        except BlockingIOError:
            self._stalled = True
            self._loop.add_writer(self._socket.fileno(), self._on_writable)
            return False
        except OSError:
            self._fail()
            return False
        return True

    def _on_writable(self) -> None:
        assert self._socket is not None
        self._loop.remove_writer(self._socket.fileno())
        self._stalled = False
        self._tell(self._end)

    def _on_readable(self) -> None:
        assert self._socket is not None
        try:
            packet = receive(self._socket)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            packet = None  # what it says cannot be read: as good as dead
        if packet is None:
            self._fail()
            return
        try:
            self._on_message(packet.fields, packet.fds)
        finally:
            for fd in packet.fds:
                os.close(fd)

    def _on_message(self, fields: dict[str, Any], fds: list[int]) -> None:
        match fields:
            case {"type": "at", "offset": int(offset)}:
                self.offset = offset
                self.on_progress()
            case {
                "type": "snapshot",
                "id": int(number),
                "end": int(end),
                "rows": int(rows),
                "cols": int(cols),
                "size": int(size),
            } if fds:
                self._backoff = 0.0
                self.offset = max(self.offset, end)
                callback = self._waiting.pop(number, None)
                if callback is not None:
                    callback(Picture(end, rows, cols, os.pread(fds[0], size, 0)))
                self.on_progress()
            case {"type": "reply", "end": int(end), "data": str(data)}:
                self.on_reply(end, data)
            case _:
                pass
        self._watch()

    def _watch(self) -> None:
        """Set the deadline anew: something was asked, or something came."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._waiting:
            self._deadline = self._loop.call_later(PATIENCE, self._fail)

    def _give_up(self, number: int) -> None:
        """It works and works: some output takes a hundred times as long as text."""
        callback = self._waiting.pop(number, None)
        if callback is not None:
            callback(None)
            self._watch()

    def _fail(self) -> None:
        """It crashed or hangs: do without for a while."""
        self._blame()
        self.close()
        self.on_failed()

    def _blame(self) -> None:
        self._backoff = min(max(2 * self._backoff, FIRST_BACKOFF), LAST_BACKOFF)
        self._not_before = time.monotonic() + self._backoff
