"""A ``ptyd.v1`` connection: WebSocket messages over a :class:`Transport`, never waited for.

The WebSocket protocol is the Sans-I/O layer of the ``websockets`` library, which takes 60 ms to
import: it is imported after the connect has been started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, cast

from ptyc.fault import Lost, Refused, printable
from ptyc.transport import Transport
from ptywire.lean import without
from ptywire.message import CLOSE_NORMAL, MAX_SNAPSHOT, SUBPROTOCOL, TOKEN_PREFIX

if TYPE_CHECKING:
    from websockets.frames import Frame
    from websockets.http11 import Response

    from ptyc.address import Target
    from ptyc.transport import Address

_CONTINUATION, _TEXT, _BINARY, _CLOSE = 0, 1, 2, 8
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

        with without("importlib.metadata"):
            from websockets.client import ClientProtocol
        from websockets.frames import Frame
        from websockets.typing import Subprotocol
        from websockets.uri import WebSocketURI

        host, port = (target.host, target.port) if target.host else ("localhost", 80)
        subprotocols = [Subprotocol(SUBPROTOCOL)]
        if target.token:
            subprotocols.append(Subprotocol(TOKEN_PREFIX + target.token))
        uri = WebSocketURI(target.tls, host, port, f"{target.prefix}ws", "")
        self._frame = Frame
        self._protocol = ClientProtocol(uri, subprotocols=subprotocols, max_size=MAX_SNAPSHOT)
        self._protocol.send_request(self._protocol.connect())
        self._fragments = bytearray()
        self._forward()

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
            if data:
                taken += len(data)
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            self._take(messages)
            self._forward()
            if not data and self.ended is None:
                raise Lost(f"{self._target.label} closed the connection")

    def send(self, message: bytes) -> None:
        """Send one message; after a close it goes nowhere."""
        if self._can_send:
            self._protocol.send_binary(message)
            self._forward()

    def ping(self) -> None:
        if self._can_send:
            self._protocol.send_ping(b"")
            self._forward()

    def say_goodbye(self, reason: str = "") -> None:
        """Send a normal close; :attr:`unsent` tells when it is out."""
        if self._can_send:
            self._protocol.send_close(CLOSE_NORMAL, reason)
            self._forward()

    def flush(self) -> None:
        self._transport.flush()

    def close(self) -> None:
        self._transport.close()

    def _forward(self) -> None:
        for data in self._protocol.data_to_send():
            if data:  # the empty one is the end of the stream, which close() makes
                self._transport.send(data)

    def _take(self, messages: list[bytes]) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, self._frame):
                self._take_frame(event, messages)
            else:
                self._finish_handshake(cast("Response", event))
        error = self._protocol.parser_exc
        if error is not None and not isinstance(error, EOFError):
            raise Refused(f"{self._target.label} broke the protocol: {printable(str(error))}")
        if self._protocol.handshake_exc is not None and not self.is_open:
            self._explain(self._protocol.handshake_exc)

    def _take_frame(self, frame: Frame, messages: list[bytes]) -> None:
        opcode = frame.opcode.value  # RFC 6455 section 11.8
        if opcode == _BINARY and frame.fin and not self._fragments:
            messages.append(bytes(frame.data))
        elif opcode in (_BINARY, _CONTINUATION):
            self._fragments += frame.data
            if frame.fin:
                messages.append(bytes(self._fragments))
                self._fragments.clear()
        elif opcode == _TEXT:
            raise Refused(f"{self._target.label} sent a text message: is it a ptyd server?")
        elif opcode == _CLOSE and (received := self._protocol.close_rcvd):
            self.ended = Ended(int(received.code), printable(received.reason))

    def _finish_handshake(self, response: Response) -> None:
        if self._protocol.handshake_exc is not None:
            status = response.status_code
            if status == 101:
                self._explain(self._protocol.handshake_exc)
            body = printable(bytes(response.body or b"").decode("utf-8", "replace"))
            line = f"{self._target.label} refused: {status} {body or response.reason_phrase}"
            if status >= 500:
                raise Lost(line)
            raise Refused(line, status)
        if self._protocol.subprotocol != SUBPROTOCOL:
            raise Refused(f"{self._target.label} does not speak {SUBPROTOCOL}: is it ptyd?")
        self.is_open = True

    def _explain(self, error: Exception) -> None:
        cause = error.__cause__
        if isinstance(cause, EOFError):
            raise Lost(f"{self._target.label} closed the connection")
        raise Refused(f"{self._target.label} did not answer as a ptyd server does")
