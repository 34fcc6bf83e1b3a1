"""A WebSocket on a channel: frames in by the ``websockets`` library, output out as it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol, State

from ptywire.message import (
    CLOSE_KICKED,
    CLOSE_TIMEOUT,
    CLOSE_UNSUPPORTED,
    DETACHED,
    MAX_MESSAGE,
)
from ptywire.websocket import binary_header, last_ack

if TYPE_CHECKING:
    from ptyd.container import Container
    from ptyd.net.channel import Channel
    from ptyd.net.viewer import Viewer
    from ptyd.session.session import Session

PING_AFTER: Final = 15.0
SILENT_TOO_LONG: Final = 40.0
"""Seconds; looked for every five, so that a peer that is gone is missed for 45 at most."""
ATTACH_WITHIN: Final = 10.0
CROWD_AFTER: Final = 10.0
"""Seconds without anything but acks after which a client is one of many."""
_MASK: Final = 4


class WebSocket:
    """One upgraded connection; the handler of its channel."""

    def __init__(self, container: Container, channel: Channel, token: str = "") -> None:
        """``token`` is the digest of what opened it; nothing for an owner."""
        self._token = token
        self._container = container
        self._channel = channel
        self._protocol = Protocol(SERVER, state=State.OPEN, max_size=MAX_MESSAGE)
        self._viewer: Viewer | None = None
        self._message = bytearray()
        self._closed = False
        self._spoke = -CROWD_AFTER
        self._unparsed = 0  # bytes since the last end of a frame
        self._heard = self._opened = time.monotonic()

    def start(self, viewer: Viewer, data: bytes) -> None:
        """Take over the channel; ``data`` came behind the HTTP request."""
        self._viewer = viewer
        self._container.websockets.add(self)
        self._container.on_client()
        self._channel.start(self)
        if data:
            self.data_received(data)

    # Out

    @property
    def blocked(self) -> bool:
        return self._channel.blocked or not self._channel.is_open

    def send(self, message: bytes) -> None:
        self._channel.write(binary_header(len(message)) + message)

    def send_frame(self, frame: bytes) -> None:
        """Send a message that has its header."""
        self._channel.write(frame)

    def close(self, code: int, reason: str) -> None:
        """Close after what has been written; the first close counts."""
        self._closed = True
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason[:120])
            self._flush()
        self._channel.close()

    @property
    def wants_all(self) -> bool:
        """Whether this client is to have every byte, however late."""
        return self._viewer is not None and self._viewer.lossless

    def is_at(self, session: Session) -> bool:
        """Tell whether this client is attached to it."""
        return self._viewer is not None and self._viewer.session is session

    def keep_little(self) -> None:
        self._channel.keep_little()

    def pause_reading(self) -> None:
        self._channel.pause_reading()

    def resume_reading(self) -> None:
        self._channel.resume_reading()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._channel.write(data)

    # In

    def data_received(self, data: bytes) -> None:
        self._heard = time.monotonic()
        if self._unparsed == 0 and self._viewer is not None and not self._message:
            offset = last_ack(data)
            if offset is not None:
                if self._heard - self._spoke > CROWD_AFTER:
                    self._channel.join_crowd(joins=True)
                self._viewer.acknowledge(offset)
                return
            if self._viewer.session is not None:
                self._spoke = self._heard
                self._channel.join_crowd(joins=False)
        self._unparsed += len(data)
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                continue
            # Too little for a length that was not written the shortest way: then this never gets
            # back to 0, and acks are parsed like everything else.
            length = len(event.data)
            self._unparsed -= len(binary_header(length)) + _MASK + length
            # Not the protocol's state: a close at the end of ``data`` has changed it already, and
            # the last words before it count.
            if not self._closed:
                self._on_frame(event)
        self._flush()
        if self._protocol.close_expected():
            self._channel.close()

    def _on_frame(self, frame: Frame) -> None:
        assert self._viewer is not None
        if frame.opcode is Opcode.TEXT:
            self.close(CLOSE_UNSUPPORTED, "messages are binary")
        elif frame.opcode in (Opcode.BINARY, Opcode.CONT):
            if frame.fin and not self._message:
                self._viewer.receive(bytes(frame.data))
                return
            self._message += frame.data
            if frame.fin:
                message, self._message = bytes(self._message), bytearray()
                self._viewer.receive(message)

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._channel.close()

    def writable(self) -> None:
        if self._viewer is not None:
            self._viewer.writable()

    def lost(self) -> None:
        self._container.websockets.discard(self)
        if self._viewer is not None:
            farewell = self._protocol.close_rcvd
            self._viewer.lost(on_purpose=farewell is not None and farewell.reason == DETACHED)
        if self._viewer is None or not self._viewer.returns:
            self._container.on_client_gone()

    def tell(self, fields: dict[str, object]) -> None:
        if self._viewer is not None:
            self._viewer.tell(fields)

    def on_heartbeat(self, now: float) -> None:
        """Ping a silent client, and let go of one that does not answer."""
        if not self._channel.is_listening and not self._channel.is_abandoned(SILENT_TOO_LONG):
            if self._channel.is_hung_up(half=True):
                self._channel.abort()
                return
            self._heard = now  # it is we who do not listen
        silent = now - self._heard
        assert self._viewer is not None
        attached, asking = self._viewer.session is not None, self._viewer.asking.is_due
        if silent > SILENT_TOO_LONG:
            self.close(CLOSE_TIMEOUT, "silent for 40 s")
            # Nothing can be flushed to a peer that is not there.
            self._channel.abort()
        elif self._token and self._container.tokens.role_by(self._token) is None:
            self.close(CLOSE_KICKED, "the token has expired or was withdrawn")
        elif not attached and not asking and now - self._opened > ATTACH_WITHIN:
            self.close(CLOSE_TIMEOUT, "no attach within 10 s")
        elif silent > PING_AFTER and self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._flush()
