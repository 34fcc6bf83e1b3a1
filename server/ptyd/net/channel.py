"""A channel: one connected socket, written to without waiting, optionally through TLS.

Own sockets instead of the event loop's transports, for what those do not tell: how much the kernel
took (a viewer's cursor moves by that), and a queue that is ours to bound. At most one write that
did not fit is kept, so a viewer who stops reading costs the rest of one frame.
"""

from __future__ import annotations

import select
import socket
import struct
import traceback
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from ptyd.net.poller import READ, WRITE

if TYPE_CHECKING:
    import asyncio

    from ptyd.net.poller import Poller
    from ptyd.net.tls import Tls

RECEIVE: Final = 256 << 10
MOST_UNSENT: Final = 1 << 20
"""Bytes of answers that may wait for a peer before nothing more is read from it."""
LINGER: Final = 5.0
"""Seconds that a peer has to take the last bytes of a connection that is being closed."""


# One buffer for all: recv(2) of a size that is rarely filled would map and unmap it every time.
_buffer = memoryview(bytearray(RECEIVE))


_KEEPALIVE: Final = {
    socket.TCP_KEEPIDLE: 15,
    socket.TCP_KEEPINTVL: 10,
    socket.TCP_KEEPCNT: 3,
}
"""Together 45 seconds."""
_TCP_NOTSENT_LOWAT: Final = 25  # linux/tcp.h; Python has the name from 3.12 on
LITTLE: Final = 16 << 10
"""Bytes that may wait in the kernel for an interactive viewer."""
# struct tcp_info of linux/tcp.h: tcpi_unacked at byte 24, tcpi_last_ack_recv, in ms, at 56.
_TCP_INFO: Final = struct.Struct("24xI28xI")


class TlsFailed(Exception):
    """The peer's TLS is unacceptable; there may be an alert to send."""


class Handler(Protocol):
    """What happens on a channel."""

    def data_received(self, data: bytes) -> None: ...

    def eof_received(self) -> None:
        """The peer sends no more."""

    def writable(self) -> None:
        """All that was written is with the kernel."""

    def lost(self) -> None:
        """The channel is closed, by whomever; the last call."""


class Channel:
    """Bytes to and from one peer."""

    def __init__(self, poller: Poller, sock: socket.socket) -> None:
        self.socket = sock
        self._fd = sock.fileno()
        self._poller = poller
        self._poll_set = poller.prompt
        self._handler: Handler | None = None
        self._tls: Tls | None = None
        self._pending: deque[memoryview] = deque()
        self._unsent = 0
        self._reading = False
        self._listening = False
        self._writing = False
        self._choked = False
        self._broken = False
        self._closing: asyncio.TimerHandle | None = None
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # An idle peer that vanished is found by the kernel (tcp(7)) where no ping is spoken.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE.items():
                sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def start(self, handler: Handler) -> None:
        """Begin, or go on with another handler."""
        self._handler = handler
        self.resume_reading()

    @property
    def is_open(self) -> bool:
        return self._fd >= 0

    @property
    def blocked(self) -> bool:
        """Whether a write waits for the peer, or would go nowhere."""
        return bool(self._pending) or self._broken

    @property
    def is_plain(self) -> bool:
        """Whether the socket's bytes are ours, so that sendfile(2) can be used."""
        return self._tls is None

    def keep_little(self) -> None:
        """Let little wait in the kernel: what is there cannot be taken back (tcp(7))."""
        if self._fd >= 0 and self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, LITTLE)

    @property
    def is_listening(self) -> bool:
        """Whether we would hear the peer."""
        return self._listening

    def is_abandoned(self, seconds: float) -> bool:
        """Tell whether the peer's kernel has left what we sent without an answer for so long.

        One that reads nothing still answers (a probe of its closed window); one that is gone does
        not, and the kernel alone would go on for a quarter of an hour.
        """
        if self._fd < 0 or self.socket.family == socket.AF_UNIX:
            return False
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        unacked, last_ack_ms = _TCP_INFO.unpack(info)
        waits = unacked > 0 or self.blocked
        return bool(waits and last_ack_ms > 1000 * seconds)

    def is_hung_up(self, *, half: bool) -> bool:
        """Tell whether the peer has closed, which nothing else says while we do not listen.

        ``half``: or sends no more, after what was not read yet (poll(2), POLLRDHUP).
        """
        if self._fd < 0:
            return True
        poll = select.poll()
        poll.register(self._fd, select.POLLRDHUP if half else 0)
        return bool(poll.poll(0))

    def start_tls(self, tls: Tls, data: bytes) -> None:
        """Speak TLS from here on; ``data`` is what has been read of it."""
        self._tls = tls
        self._on_data(data)

    def write(self, data: bytes) -> None:
        """Send, now or when the peer takes it."""
        if self._fd < 0 or self._closing is not None:
            return
        if self._tls is not None:
            try:
                data = self._tls.encrypt(data)
            except TlsFailed:
                self.abort()
                return
        self._send(data)

    def _send(self, data: bytes) -> None:
        if self._broken:
            return
        if self._pending:
            self._pending.append(memoryview(data))
            self._unsent += len(data)
            if self._unsent > MOST_UNSENT and not self._choked:
                self._choked = True
                self._listen()
            return
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.stop_sending()
            return
        if sent < len(data):
            self._pending.append(memoryview(data)[sent:])
            self._unsent = len(data) - sent
            self.wait_writable()

    def stop_sending(self) -> None:
        """The peer has gone: hear what it said before, which may have been typed, then close.

        To be found out by a write that failed, whose place among the events is before reading.
        """
        if self._closing is not None or not self._reading:
            self.abort()
            return
        self._broken = True
        self._closing = self._poller.loop.call_later(LINGER, self.abort)
        self._pending.clear()
        self._choked = self._writing = False
        self._listening = True
        self._watch()

    def wait_writable(self) -> None:
        """Call ``writable`` once the kernel takes more: for a handler that sends by itself."""
        if self._fd >= 0 and not self._writing:
            self._writing = True
            self._watch()

    def join_crowd(self, *, joins: bool) -> None:
        """Be heard after those who are no crowd, or among them."""
        poll_set = self._poller.crowd if joins else self._poller.prompt
        if poll_set is not self._poll_set and self._fd >= 0:
            self._poll_set.watch(self._fd, self, 0)
            self._poll_set = poll_set
            self._watch()

    def _watch(self) -> None:
        events = (READ if self._listening else 0) | (WRITE if self._writing else 0)
        self._poll_set.watch(self._fd, self, events)

    def on_event(self, event: int) -> None:
        """Read and write as the poller says; after a failure either finds out what it is."""
        if self._listening and event != WRITE:
            self._on_readable()
        if self._writing and event != READ:
            self._on_writable()

    def _on_writable(self) -> None:
        try:
            while self._pending:
                view = self._pending[0]
                sent = self.socket.send(view)
                if sent < len(view):
                    self._pending[0] = view[sent:]
                    return
                self._pending.popleft()
        except BlockingIOError:
            return
        except OSError:
            self.stop_sending()
            return
        self._writing = False
        self._unsent = 0
        self._choked = False
        self._watch()
        self._listen()
        if self._closing is not None:
            self._shut()
        elif self._handler is not None:
            self._handler.writable()

    def pause_reading(self) -> None:
        self._reading = False
        self._listen()

    def resume_reading(self) -> None:
        self._reading = True
        self._listen()

    def _listen(self) -> None:
        """Read, unless the handler does not want to or the peer does not take what we answer."""
        wanted = self._reading and not self._choked and self._fd >= 0
        if wanted == self._listening:
            return
        self._listening = wanted
        if self._fd >= 0:
            self._watch()

    def _on_readable(self) -> None:
        try:
            size = self.socket.recv_into(_buffer)
        except BlockingIOError:
            return
        except OSError:
            self.abort()
            return
        try:
            self._on_data(bytes(_buffer[:size]))
        except Exception:  # noqa: BLE001 - see below
            # A bug that a peer can reach costs that peer its connection, not everybody theirs.
            traceback.print_exc()
            self.abort()

    def _on_data(self, data: bytes) -> None:
        assert self._handler is not None
        if not data:
            self.pause_reading()
            if self._closing is None or self._broken:
                self._handler.eof_received()
                if not self._broken:
                    return
            self.abort()
            return
        if self._tls is not None:
            try:
                data = self._tls.decrypt(data)
            except TlsFailed:
                self._flush_tls()
                self.abort()
                return
            self._flush_tls()
        if data and (self._closing is None or self._broken):
            self._handler.data_received(data)
        if self._tls is not None and self._tls.at_eof and self._fd >= 0:
            self._on_data(b"")

    def _flush_tls(self) -> None:
        assert self._tls is not None
        if self._fd >= 0 and (reply := self._tls.to_send()):
            self._send(reply)

    def close(self) -> None:
        """Close once everything written is sent; a peer that takes nothing is given LINGER."""
        if self._fd < 0 or self._closing is not None:
            return
        if self._tls is not None and (goodbye := self._tls.close()):
            self._send(goodbye)
        if self._fd < 0:
            return
        self._closing = self._poller.loop.call_later(LINGER, self.abort)
        self.resume_reading()
        if not self._pending:
            self._shut()

    def _shut(self) -> None:
        """End our half; the peer's end-of-file, or time, ends the rest."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.abort()

    def abort(self) -> None:
        """Close now; what is not sent is not sent."""
        if self._fd < 0:
            return
        if self._closing is not None:
            self._closing.cancel()
        self._poll_set.watch(self._fd, self, 0)
        self._fd = -1
        self._reading = self._listening = self._writing = False
        self._pending.clear()
        self.socket.close()
        if self._handler is not None:
            self._handler.lost()
