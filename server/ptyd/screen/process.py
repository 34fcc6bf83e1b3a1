"""The screen as a process of its own, because it parses hostile bytes with a native library.

It may crash, hang or be killed at any time: whoever started it starts the next. Packets are those
of :mod:`ptykeep.protocol`:

=================  ==============================================================================
server to screen
``open``           ``folder rows cols scrollback keep``: the journal, the size before any resize,
                   and the most bytes of a state that is kept beside a segment
``end``            ``end``: the journal reaches to here, or a resize was recorded here
``snapshot``       ``id at_least scrollback``: wanted at this offset or later
``queries``        ``spans``: where queries lie, ``[start, end]``, in order, before ``end`` says so
``ping``           ``id``
screen to server
``at``             ``offset``: how far it has read; every 64 KiB, and where it has caught up
``snapshot``       ``id end rows cols size``, and the bytes in a sealed memfd
``reply``          ``end data``: base64 of what a terminal answers to the query that ends there
``pong``           ``id``: within the time of a slice of work, or it hangs
=================  ==============================================================================
"""

from __future__ import annotations

import base64
import fcntl
import os
import select
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptyd.screen.content import TooLarge
from ptyd.screen.emulator import Emulator
from ptyd.screen.follower import Follower
from ptykeep.protocol import receive, send
from ptywire.message import MAX_MESSAGE, MAX_SNAPSHOT, SNAPSHOT_HEADER

if TYPE_CHECKING:
    import socket

PROGRESS: Final = 64 << 10
"""Bytes between two reports of the offset."""
PROGRESS_TIME: Final = 0.01
"""Seconds between two reports of smaller steps."""
LARGEST: Final = MAX_MESSAGE - 64
"""Bytes of a snapshot with history; the rest is headers."""
LARGEST_SCREEN: Final = MAX_SNAPSHOT - SNAPSHOT_HEADER
"""Bytes of one without."""
SLICE: Final = 0.004
"""Seconds of processor that one step is to take; a packet is looked for between two."""

_SMALLEST, _LARGEST = 256, 64 << 10  # bytes of a step
_SEALS: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Wanted(NamedTuple):
    """A snapshot that was asked for."""

    id: int
    at_least: int
    scrollback: int


class Screen:
    """Serves one server on one socket, until that is closed."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._follower: Follower | None = None
        self._wanted: list[Wanted] = []
        self._size = _LARGEST
        self._reported, self._reported_at = -1, 0.0

    def run(self) -> None:
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        while True:
            if poll.poll(self._patience()):
                packet = receive(self._sock)
                if packet is None:
                    return
                for fd in packet.fds:
                    os.close(fd)  # none is expected
                self._take(packet.fields)
            elif self._follower is not None:
                self._work(self._follower)

    def close(self) -> None:
        if self._follower is not None:
            self._follower.close()

    def _patience(self) -> int | None:
        """Return the milliseconds to wait for a packet before going on, None: for ever."""
        follower = self._follower
        if follower is None:
            return None
        if follower.is_behind or self._answerable(follower):
            return 0
        if follower.offset == self._reported:
            return None
        return max(0, int((self._reported_at + PROGRESS_TIME - time.monotonic()) * 1000) + 1)

    def _take(self, fields: dict[str, Any]) -> None:
        kind, follower = fields.get("type"), self._follower
        if kind == "ping":
            send(self._sock, {"type": "pong", "id": fields["id"]})
        elif kind == "open":
            self.close()
            self._follower = Follower(
                fields["folder"],
                fields["rows"],
                fields["cols"],
                fields["scrollback"],
                fields["keep"],
            )
        elif kind == "queries" and follower is not None:
            follower.expect_queries(fields["spans"])
        elif kind == "end" and follower is not None:
            follower.grow(fields["end"])
        elif kind == "snapshot" and follower is not None:
            wanted = Wanted(fields["id"], fields["at_least"], fields["scrollback"])
            follower.grow(wanted.at_least)
            self._wanted.append(wanted)

    def _work(self, follower: Follower) -> None:
        """Do one slice of what there is to do."""
        if follower.is_behind:
            started = time.process_time()  # not what a busy machine takes from us
            follower.step(self._size)
            # Some sequences take a thousand times as long as text: the time counts, not the bytes.
            if time.process_time() - started > SLICE:
                self._size = max(_SMALLEST, self._size // 2)
            else:
                self._size = min(_LARGEST, self._size * 2)
            for reply in follower.take_replies():
                data = base64.b64encode(reply.data).decode()
                send(self._sock, {"type": "reply", "end": reply.end, "data": data})
        self._report(follower)
        for wanted in self._answerable(follower)[:1]:
            self._wanted.remove(wanted)
            self._answer(follower, wanted)

    def _answerable(self, follower: Follower) -> list[Wanted]:
        return [wanted for wanted in self._wanted if wanted.at_least <= follower.offset]

    def _report(self, follower: Follower) -> None:
        now, step = time.monotonic(), follower.offset - self._reported
        late = not follower.is_behind and now - self._reported_at >= PROGRESS_TIME
        if step and (late or step < 0 or step >= PROGRESS):
            self._reported, self._reported_at = follower.offset, now
            send(self._sock, {"type": "at", "offset": follower.offset})

    def _answer(self, follower: Follower, wanted: Wanted) -> None:
        data = fitting(follower.emulator, wanted.scrollback)
        rows, cols = follower.emulator.size
        fd = sealed(data)
        fields = {
            "type": "snapshot",
            "id": wanted.id,
            "end": follower.offset,
            "rows": rows,
            "cols": cols,
            "size": len(data),
        }
        try:
            send(self._sock, fields, [fd])
        finally:
            os.close(fd)


def fitting(emulator: Emulator, scrollback: int) -> bytes:
    """Take a snapshot with as much history as one message has room for.

    The screen itself is exact up to LARGEST_SCREEN, and characters without looks beyond.
    """
    while True:
        size = LARGEST_SCREEN
        try:
            data = emulator.snapshot(scrollback, LARGEST_SCREEN)
            size = len(data)
        except TooLarge:
            if not scrollback:
                return emulator.snapshot(0, LARGEST_SCREEN, bare=True)
        else:
            if size <= LARGEST or not scrollback:
                return data
        # Each line of colours costs what it costs: a little less than in proportion.
        scrollback = scrollback * 7 * LARGEST // (8 * size)


def sealed(data: bytes) -> int:
    """Return a memfd with these bytes that nobody can change any more (memfd_create(2))."""
    fd = os.memfd_create("ptyd-snapshot", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.lseek(fd, 0, os.SEEK_SET)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return fd


def warm_up() -> None:
    """Do once what reads files at its first time: soon they cannot be read any more."""
    emulator = Emulator(2, 8)
    emulator.feed(b"\x1b[31mw\x1b[?1049h\x1b[1;44mx")
    emulator.snapshot()
    emulator.encode()
    emulator.close()
