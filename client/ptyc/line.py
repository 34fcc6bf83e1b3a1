"""The line to the server: a connection that is made again when it breaks.

It knows when to dial, to ask whether anybody is there, and to give up; what the messages mean is
for :mod:`ptyc.attachment`.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Final

from ptyc.connection import Connection
from ptyc.fault import FAILED, Lost, Over, Refused
from ptyc.reconnect import Reconnect
from ptywire import message as wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from ptyc.address import Target
    from ptyc.connection import Ended
    from ptyc.transport import Address

_HELLO_WITHIN: Final = 15.0
_PING_AFTER: Final = 15.0
_SILENT_AFTER: Final = 45.0
_CLOSES: Final = {
    wire.CLOSE_NORMAL: "the server closed the connection",
    wire.CLOSE_UNSUPPORTED: "the server did not understand a message",
    wire.CLOSE_EXITED: "the program ended, but its exit status did not arrive",
    wire.CLOSE_REFUSED: "refused",
    wire.CLOSE_VIOLATION: "the server found a malformed message",
    wire.CLOSE_KICKED: "disconnected by the owner",
    wire.CLOSE_GONE: "no such session",
    wire.CLOSE_REPLACED: "another connection took this one's place",
    wire.CLOSE_TIMEOUT: "the server had to wait for too long",
}


class Line:
    """``greet`` makes the first message of each connection; times are monotonic seconds."""

    def __init__(
        self, target: Target, addresses: list[Address], greet: Callable[[], bytes]
    ) -> None:
        self.is_attached = False
        self.reconnect = Reconnect()
        self._target, self._addresses, self._greet = target, addresses, greet
        self._connection: Connection | None = None
        self._was_attached = False
        self._dialled_at = 0.0
        self._heard_at = 0.0
        self._pinged_at = 0.0

    def wants(self, *, deaf: bool) -> tuple[int, int] | None:
        """Return the descriptor and events for poll(2); ``deaf`` when nothing is to be read."""
        if self._connection is None:
            return None
        events = self._connection.wants & ~(select.POLLIN if deaf else 0)
        return (self._connection.fileno(), events) if events else None

    @property
    def is_open(self) -> bool:
        """Whether the handshake is done, and the greeting sent."""
        return self._connection is not None and self._connection.is_open

    @property
    def has_more(self) -> bool:
        """Whether bytes have arrived that poll(2) does not see."""
        return self._connection is not None and self._connection.has_more

    def deadlines(self, *, deaf: bool) -> list[float | None]:
        """When :meth:`keep_time` wants to be called."""
        if self._connection is None:
            return [self.reconnect.retry_at]
        if not self.is_attached:
            return [self._dialled_at + _HELLO_WITHIN]
        if deaf:
            return []
        return [self._pinged_at + _PING_AFTER, self._heard_at + _SILENT_AFTER]

    def dial(self) -> None:
        """Start to connect. Raise Over when there is no hope."""
        self.reconnect.trying()
        self._dialled_at = time.monotonic()
        try:
            self._connection = Connection(self._target, self._addresses)
        except Lost as lost:
            self._lose(lost)

    def attached(self) -> None:
        """The server said hello."""
        self.is_attached = self._was_attached = True
        self.reconnect.attached()
        self.awake()

    def awake(self) -> None:
        """We may have been away ourselves: the silence until now does not count."""
        self._heard_at = self._pinged_at = time.monotonic()

    def receive(self) -> tuple[list[bytes], Ended | None]:
        """Go on after poll(2); return messages, and the close behind them if there was one.

        Raise Over when there is no hope.
        """
        connection = self._connection
        if connection is None:
            return [], None
        try:
            was_open = connection.is_open
            messages = connection.ready()
            if connection.is_open and not was_open:
                connection.send(self._greet())
        except Lost as lost:
            self._lose(lost)
            return [], None
        except Refused as refused:
            raise Over(FAILED, str(refused)) from refused
        self._heard_at = time.monotonic()
        return messages, connection.ended

    def closed(self, ended: Ended) -> None:
        """The server closed: come back if its code says so, else raise Over."""
        # 4005 says that we were silent, as a laptop is whose lid was closed: come back.
        if ended.code == wire.CLOSE_GOING_AWAY or (
            ended.code == wire.CLOSE_TIMEOUT and self._was_attached
        ):
            self._drop()
            self.reconnect.lost(time.monotonic())
            return
        words = _CLOSES.get(ended.code, f"the server closed the connection with code {ended.code}")
        raise Over(FAILED, f"{words}: {ended.reason}" if ended.reason else words)

    def send(self, message: bytes) -> None:
        """Send one message; without a connection it goes nowhere."""
        if self._connection is not None:
            self._connection.send(message)

    def keep_time(self, now: float, *, deaf: bool) -> None:
        """Do what is due; ``deaf`` as in :meth:`wants`. Raise Over when there is no hope."""
        if self.reconnect.retry_at is not None and now >= self.reconnect.retry_at:
            self.dial()
        elif self._connection is None:
            return
        elif not self.is_attached:
            if now >= self._dialled_at + _HELLO_WITHIN:
                self._lose(Lost(f"{self._target.label} does not answer"))
        elif not deaf and now >= self._heard_at + _SILENT_AFTER:
            self._lose(Lost(f"{self._target.label} does not answer"))
        elif not deaf and now >= self._pinged_at + _PING_AFTER:
            self._pinged_at = now
            self._connection.ping()

    def hang_up(self, patience: float, reason: str = "") -> None:
        """Send what is left and a goodbye, for at most ``patience`` seconds."""
        if self._connection is None:
            return
        self._connection.say_goodbye(reason)
        deadline = time.monotonic() + patience
        poll = select.poll()
        poll.register(self._connection.fileno(), select.POLLOUT)
        while self._connection.unsent and (left := deadline - time.monotonic()) > 0:
            if poll.poll(left * 1000):
                self._connection.flush()
        self._drop()

    def _lose(self, lost: Lost) -> None:
        """The connection is gone; plan another, or give up when there never was one."""
        self._drop()
        if not self._was_attached and self.reconnect.since is None:
            line = f"{self._target.label} is not running" if lost.vanished else str(lost)
            raise Over(FAILED, line, is_lost=True)
        now = time.monotonic()
        if lost.vanished and self.reconnect.is_hopeless(now):
            raise Over(FAILED, f"{self._target.label} is gone", is_lost=True)
        self.reconnect.lost(now)

    def _drop(self) -> None:
        self.is_attached = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None
