"""A ``ptyd.v1`` connection: WebSocket messages over a :class:`Transport`, never waited for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from ptyc.fault import Lost, Refused, printable
from ptyc.transport import Transport
from ptywire.frames import Frames
from ptywire.handshake import is_welcome, new_key, parse_answer, request
from ptywire.message import (
    CLOSE_NORMAL,
    CLOSE_UNSUPPORTED,
    MAX_SNAPSHOT,
    SUBPROTOCOL,
    TOKEN_PREFIX,
)

if TYPE_CHECKING:
    from ptyc.address import Target
    from ptyc.transport import Address
    from ptywire.handshake import Answer

_BURST: Final = 1 << 20
"""Bytes taken from the stream in one call, so that typing is served in between."""


class Ended(NamedTuple):
    """The server closed; ``code`` is from the table in ARCHITECTURE.md, ``reason`` its words."""

    code: int
    reason: str


class Connection:
    """One connection from dialling to its close."""

    def __init__(self, target: Target, addresses: list[Address]) -> None:
        """Start to connect; raise :class:`Lost` when that fails at once."""
        self.is_open = False
        self.ended: Ended | None = None
        self._failure: Lost | Refused | None = None
        self._target = target
        self._transport = Transport(target, addresses)
        self._key = new_key(os.urandom(16))
        self._answer = b""
        self._frames = Frames(MAX_SNAPSHOT, lambda: os.urandom(4))
        offered = [SUBPROTOCOL, *([TOKEN_PREFIX + target.token] if target.token else [])]
        self._transport.send(request(f"{target.prefix}ws", host_of(target), self._key, offered))

    @property
    def wants(self) -> int:
        """The poll(2) events that this connection waits for."""
        return self._transport.wants

    @property
    def has_more(self) -> bool:
        """Whether :meth:`ready` has something to do although poll(2) says nothing."""
        return self._failure is not None or self._transport.has_more

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._transport.unsent

    @property
    def _can_send(self) -> bool:
        return self.is_open and self.ended is None and self._failure is None

    def fileno(self) -> int:
        return self._transport.fileno()

    def ready(self) -> list[bytes]:
        """Go on after poll(2) returned; return the messages that arrived.

        When the server has closed, :attr:`ended` is set. Raise :class:`Lost` when the stream broke
        without a close, :class:`Refused` when the handshake got a no; either only after the
        messages before it were returned.
        """
        if self._failure is not None:
            raise self._failure
        if not self._transport.is_open:
            self._transport.advance()
            if not self._transport.is_open:
                return []
        self._transport.flush()
        messages: list[bytes] = []
        try:
            self._fill(messages)
        except (Lost, Refused) as failure:
            if not messages:
                raise
            self._failure = failure
        return messages

    def _fill(self, messages: list[bytes]) -> None:
        taken = 0
        while taken < _BURST and self.ended is None:
            data = self._transport.receive()
            if data is None:
                break
            taken += len(data)
            if not self.is_open:
                data = self._shake_hands(data)
            elif not data:
                raise Lost(f"{self._target.label} closed the connection")
            if data:
                messages += self._frames.receive(data)
                self._forward()
                self._look()

    def send(self, message: bytes) -> None:
        """Send one message; after a close it goes nowhere."""
        if self._can_send:
            self._frames.send(message)
            self._forward()

    def ping(self) -> None:
        if self._can_send:
            self._frames.ping()
            self._forward()

    def say_goodbye(self, reason: str = "") -> None:
        """Send a normal close; :attr:`unsent` tells when it is out."""
        if self._can_send:
            self._frames.close(CLOSE_NORMAL, reason)
            self._forward()

    def flush(self) -> None:
        self._transport.flush()

    def close(self) -> None:
        self._transport.close()

    def _forward(self) -> None:
        if data := self._frames.to_send():
            self._transport.send(data)

    def _look(self) -> None:
        """See whether the server has closed, or broken the protocol."""
        if (farewell := self._frames.farewell) is not None:
            self.ended = Ended(farewell.code, printable(farewell.reason))
        if (fault := self._frames.fault) is None:
            return
        if fault.code == CLOSE_UNSUPPORTED:
            raise Refused(f"{self._target.label} sent a text message: is it a ptyd server?")
        raise Refused(f"{self._target.label} broke the protocol: {fault.reason}")

    # The handshake

    def _shake_hands(self, data: bytes) -> bytes:
        """Take what comes of the server's answer, b"" at its end; return what came behind it."""
        self._answer += data
        try:
            answer = parse_answer(self._answer)
        except ValueError:
            raise self._stranger() from None
        if answer is None:
            if data:
                return b""
            raise Lost(f"{self._target.label} closed the connection")
        if answer.status != 101:
            size = answer.body_size
            if not data or (size is not None and len(answer.rest) >= size):
                raise self._no(answer)
            return b""
        if not is_welcome(answer, self._key):
            raise self._stranger()
        if answer.fields.get("sec-websocket-protocol") != [SUBPROTOCOL]:
            raise Refused(f"{self._target.label} does not speak {SUBPROTOCOL}: is it ptyd?")
        self.is_open = True
        return answer.rest

    def _no(self, answer: Answer) -> Lost | Refused:
        body = printable(answer.rest[: answer.body_size].decode("utf-8", "replace"))
        words = body or printable(answer.phrase)
        line = f"{self._target.label} refused: {answer.status} {words}"
        return Lost(line) if answer.status >= 500 else Refused(line, answer.status)

    def _stranger(self) -> Refused:
        return Refused(f"{self._target.label} did not answer as a ptyd server does")


def host_of(target: Target) -> str:
    """Return what goes into the field Host (RFC 9110 section 7.2)."""
    if not target.host:
        return "localhost"
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == (443 if target.tls else 80) else f"{host}:{target.port}"
