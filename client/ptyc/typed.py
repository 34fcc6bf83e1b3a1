"""What the user typed and the server has not acknowledged, by position.

Positions count the bytes that one client ever typed. Sending again from the position that the
server asks for is harmless, so nothing is lost or typed twice across a lost connection.
"""

from __future__ import annotations

from typing import Final

from ptywire.message import Input

WINDOW: Final = 1 << 16
"""Bytes that may be sent and not acknowledged."""
OVERFLOW: Final = 1 << 20
"""Bytes kept while there is no connection, so that the detach keys are still seen."""
_SLICE: Final = 1 << 14


class Typed:
    """The bytes from position ``start`` on; those before ``sent`` are on their way."""

    def __init__(self) -> None:
        self.start = 0
        self.sent = 0
        self._data = bytearray()
        self._is_held = False

    @property
    def waiting(self) -> int:
        """Bytes that are not acknowledged."""
        return len(self._data)

    @property
    def is_all_sent(self) -> bool:
        return self.sent == self.start + len(self._data)

    def add(self, data: bytes) -> None:
        self._data += data

    def take(self) -> Input | None:
        """Return the next message to send, None when there is nothing or the window is full."""
        if self._is_held:
            return None
        first = self.sent - self.start
        data = bytes(self._data[first : min(first + _SLICE, WINDOW)])
        if not data:
            return None
        message = Input(self.sent, data)
        self.sent += len(data)
        return message

    def acknowledge(self, position: int) -> None:
        """The program's terminal has what lies before ``position``."""
        done = min(position, self.sent) - self.start
        if done > 0:
            del self._data[:done]
            self.start += done

    def hold(self) -> None:
        """The program has ended, and another follows: what was not acknowledged is for that.

        Nothing is sent until the server says where it goes on.
        """
        self._is_held, self.sent = True, self.start

    def resume(self, position: int) -> int:
        """After a reconnect the server goes on at ``position``; the rest is sent again.

        Return how many bytes may not have arrived: 0 unless the server contradicts itself.
        """
        if self._is_held or not self.start <= position <= self.start + len(self._data):
            return self.restart(position)
        self.sent = max(self.sent, position)
        self.acknowledge(position)
        self.sent = position
        return 0

    def restart(self, position: int) -> int:
        """The server does not know us: count from ``position`` and send only what was never sent.

        Return how many bytes may not have arrived. They are not sent again, because they may have.
        """
        unsure, self._is_held = self.sent - self.start, False
        del self._data[:unsure]
        self.start = self.sent = position
        return unsure
