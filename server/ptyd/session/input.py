"""Input: what clients type, into the program's terminal or standard input, each byte once.

Nobody waits for a program that does not read: what it does not take stays queued per client, the
queues take turns, and a client with much in its queue is not read from any more.
"""

from __future__ import annotations

import os
import termios
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from ptyd.session.replies import HOLD, ReplyFilter

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ptyd.session.position import Positions

CHUNK: Final = 4096
"""Bytes of one turn: what a terminal takes at once (N_TTY_BUF_SIZE)."""
QUEUE_HIGH: Final = 256 << 10
QUEUE_LOW: Final = 64 << 10
MOST_LEFT: Final = 4 << 20
"""Bytes that clients who are gone may leave behind, unread."""
_SCREEN: Final = b"the screen's own"
"""16 bytes, as any client's; a client cannot choose its own before it was given them."""
REMEMBERED: Final = 1024
"""Clients whose position is remembered after they are gone."""


def _any_reply(_reply: bytes) -> bool:
    return True


class Sender(Protocol):
    """What typing needs to know of a connection."""

    def input_taken(self, position: int) -> None:
        """Input up to ``position`` is with the program."""

    def input_blocked(self, *, blocked: bool) -> None:
        """Too much is queued, or is not any more."""


class Typist:
    """One client's input: ``done`` is with the program, ``position`` is accepted."""

    def __init__(self, client: bytes, position: int, doubt: int) -> None:
        self.client = client
        self.position = self.done = position
        self.doubt = doubt
        self.active = 0
        """When it was active, as of the last time it left, in the order of everybody's activity."""
        self.sender: Sender | None = None
        self.queue: deque[tuple[memoryview, int]] = deque()  # bytes, and the position after them
        self.replies: ReplyFilter | None = None
        self.flushing: asyncio.TimerHandle | None = None
        self.blocked = False
        self.eof = False

    @property
    def queued(self) -> int:
        return self.position - self.done


class Input:
    """The queues of one session and the one fd they end in; -1 when nothing is taken any more."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, fd: int, positions: Positions, *, tty: bool
    ) -> None:
        self._loop = loop
        self._fd = fd
        self._tty = tty
        self._positions = positions
        self._typists: dict[bytes, Typist] = {}
        self._turns: deque[Typist] = deque()
        self._waiting = False
        self._at_line_start = True
        self._screen: Typist | None = None
        self.on_closed: Callable[[], None] = lambda: None

    @property
    def is_open(self) -> bool:
        return self._fd >= 0

    def typist(self, client: bytes) -> Typist:
        """Return the input of ``client``, continued from an earlier connection or server."""
        typist = self._typists.pop(client, None)
        if typist is None:
            place = self._positions.place(client)
            typist = Typist(client, place.position, place.doubt)
        typist.blocked = False  # whoever comes now reads on until it is told to stop
        self._typists[client] = typist
        if len(self._typists) > REMEMBERED:
            self._forget()
        return typist

    def _forget(self) -> None:
        for client, typist in self._typists.items():
            if typist.sender is None and not typist.queue:
                del self._typists[client]
                return

    def feed(
        self,
        typist: Typist,
        position: int,
        data: bytes,
        wants: Callable[[bytes], bool] | None = None,
    ) -> bool:
        """Queue input that starts at ``position``; return False if it leaves a hole.

        ``wants`` is asked which of the terminal's replies to pass on; without it all is passed on.
        """
        if position > typist.position:
            return False
        fresh = data[typist.position - position :]
        if not fresh:
            return True
        typist.doubt = 0
        typist.position += len(fresh)
        if self._fd < 0:
            self._taken(typist, len(fresh))  # nobody reads: gone, as on a closed terminal
            return True
        holding = typist.replies is not None and typist.replies.holding
        plain = wants is None and not holding
        self._queue(typist, fresh if plain else self._without_replies(typist, fresh, wants))
        if typist.queued > QUEUE_HIGH and typist.sender is not None and not typist.blocked:
            typist.blocked = True
            typist.sender.input_blocked(blocked=True)
        return True

    def forget(self, typist: Typist) -> None:
        """A client is gone that cannot come back: past a limit what it typed goes with it.

        Else connections that type and leave would fill the memory while the program does not read.
        """
        typist.sender = None
        left = sum(other.queued for other in self._typists.values() if other.sender is None)
        if left > MOST_LEFT and typist.queue:
            typist.queue.clear()
            typist.done = typist.position

    def _queue(self, typist: Typist, data: bytes) -> None:
        typist.queue.append((memoryview(data), typist.position))
        if typist not in self._turns:
            self._turns.append(typist)
        self.flush()

    def _without_replies(
        self, typist: Typist, data: bytes, wants: Callable[[bytes], bool] | None
    ) -> bytes:
        """Return typed bytes less unwanted replies; what may be one, or a key, waits a moment."""
        if typist.replies is None:
            if b"\x1b" not in data:
                return data
            typist.replies = ReplyFilter()
        typist.replies.wants = wants if wants is not None else _any_reply
        kept = typist.replies.strip(data)
        if typist.flushing is not None:
            typist.flushing.cancel()
            typist.flushing = None
        if typist.replies.holding:
            typist.flushing = self._loop.call_later(HOLD, self._flush_replies, typist)
        return kept

    def _flush_replies(self, typist: Typist) -> None:
        typist.flushing = None
        if typist.replies is not None and self._fd >= 0:
            self._queue(typist, typist.replies.flush())

    def inject(self, data: bytes) -> None:
        """Type for the screen, which answers where no terminal does; not without end."""
        if self._screen is None:
            self._screen = self.typist(_SCREEN)
        if self._fd >= 0 and self._screen.queued < QUEUE_LOW:
            self._screen.position += len(data)
            self._queue(self._screen, data)

    def discard(self, typist: Typist, position: int, data: bytes) -> bool:
        """Take input that is not to reach the program: whose turn it is not, types into nothing."""
        if position > typist.position:
            return False
        fresh = max(0, position + len(data) - typist.position)
        typist.position += fresh
        if typist.queue:
            typist.queue.append((memoryview(b""), typist.position))  # taken after what is before it
        else:
            self._taken(typist, fresh)
        return True

    def end(self, typist: Typist) -> None:
        """Pass an end-of-file on, after everything this client typed."""
        typist.eof = True
        if typist not in self._turns:
            self._turns.append(typist)
        self.flush()

    def flush(self) -> None:
        """Write as much as the program takes, a chunk of each client in turn."""
        while self._turns and self._fd >= 0:
            typist = self._turns[0]
            if not typist.queue:
                self._turns.popleft()
                if typist.eof:
                    typist.eof = False
                    self._write_eof()
                continue
            if not self._write(typist):
                self._wait()
                return
            self._turns.rotate(-1)
        self._stop_waiting()

    def _write(self, typist: Typist) -> bool:
        """Write one chunk; return False when the program takes no more now."""
        view, end = typist.queue[0]
        chunk = view[:CHUNK]
        intent = end if len(chunk) == len(view) else max(typist.done, end - len(view) + len(chunk))
        self._positions.write(typist.client, intent, typist.done)
        try:
            written = os.write(self._fd, chunk) if chunk else 0
        except BlockingIOError:
            written = 0
        except OSError:
            # EPIPE or EIO: the program closed its standard input, or the terminal is gone.
            self.close()
            return True
        rest = view[written:]
        if rest:
            typist.queue[0] = (rest, end)
            done = max(typist.done, end - len(rest))
        else:
            typist.queue.popleft()
            done = end
        self._positions.write(typist.client, done, done)
        if written:
            self._at_line_start = chunk[written - 1] in b"\n\r\x04"
        self._taken(typist, done - typist.done)
        return not rest or written > 0

    def _taken(self, typist: Typist, size: int) -> None:
        typist.done += size
        sender = typist.sender
        if sender is None or not size:
            return
        sender.input_taken(typist.done)
        if typist.blocked and typist.queued < QUEUE_LOW:
            typist.blocked = False
            sender.input_blocked(blocked=False)

    def _write_eof(self) -> None:
        if not self._tty:
            self.close()
            return
        # In the middle of a line the first end-of-file character only pushes the line (termios(3)).
        character = termios.tcgetattr(self._fd)[6][termios.VEOF]
        assert isinstance(character, bytes)
        try:
            os.write(self._fd, character if self._at_line_start else character * 2)
        except OSError:
            pass  # full: a program that reads nothing misses no end-of-file

    def close(self) -> None:
        """Take no more input; what is queued goes nowhere."""
        if self._fd < 0:
            return
        self._stop_waiting()
        if not self._tty:
            os.close(self._fd)
            self.on_closed()
        self._fd = -1
        self._turns.clear()
        for typist in self._typists.values():
            typist.queue.clear()
            if typist.queued:
                self._taken(typist, typist.queued)

    def _wait(self) -> None:
        if not self._waiting:
            self._waiting = True
            self._loop.add_writer(self._fd, self.flush)

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting = False
            self._loop.remove_writer(self._fd)
