"""A small client of ``ptyd.v1`` that reads as fast as it is told and acknowledges what it read."""

from __future__ import annotations

import base64
import os
import select
import socket
import time
from typing import TYPE_CHECKING, Any, Self

from program import BenchError
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from ptywire import message as wire
from ptywire.link import parse_link

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TICK = 0.02
"""Seconds between two reads of a client that is held to a rate."""
WHOLE = 1 << 16
"""Bytes of a read without a rate."""


class Viewer:
    """One attached connection."""

    def __init__(
        self, link: str, attach: Mapping[str, Any] | None = None, *, timeout: float = 30
    ) -> None:
        """Attach; OSError or BenchError when there is no answer within ``timeout`` seconds."""
        where = parse_link(link)
        if where.tls:
            raise BenchError("the benchmarks measure without TLS: is the listener on loopback?")
        self.hello: dict[str, Any] = {}
        self._protocol = Protocol(Side.CLIENT, state=State.OPEN, max_size=None)
        self._typed = 0
        self._early: list[wire.ServerMessage] = []
        self._socket = socket.create_connection((where.host, where.port), timeout)
        try:
            self._shake_hands(where.authority, where.prefix, where.token)
            self._send(wire.Attach({"session": where.session, **(attach or {})}))
            while not self.hello:
                self._early = list(self._received(WHOLE))
                for message in self._early:
                    if isinstance(message, wire.Event) and message.name == "hello":
                        self.hello = message.fields
        except BaseException:
            self._socket.close()
            raise
        self._typed = int(self.hello["input"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def type(self, data: bytes) -> None:
        self._send(wire.Input(self._typed, data))
        self._typed += len(data)

    def show(self, *, visible: bool) -> None:
        """Say that somebody looks, or does not."""
        self._send(wire.Visible(visible))

    def await_snapshot(self, *, seconds: float = 60) -> wire.Snapshot:
        """Read up to the next snapshot; what came before it is gone."""
        messages, self._early = self._early, []
        deadline = time.monotonic() + seconds
        while True:
            for index, message in enumerate(messages):
                if isinstance(message, wire.Snapshot):
                    self._early = messages[index + 1 :]
                    return message
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                raise BenchError("there came no snapshot")
            messages = list(self._received(WHOLE))

    def read_until(self, marker: bytes, *, seconds: float, rate: int = 0) -> bool:
        """Read, at most ``rate`` bytes a second, until the marker or the end of the time."""
        tail = b""
        # Output may have come along with hello.
        messages, self._early = self._early, []
        deadline = time.monotonic() + seconds
        while True:
            started = time.monotonic()
            for message in messages:
                if isinstance(message, wire.Output | wire.Snapshot):
                    tail += message.data
            if marker in tail:
                return True
            tail = tail[-len(marker) :]
            if rate:
                # This is what is measured: a terminal that is busy with what it got.
                time.sleep(max(0.0, TICK - (time.monotonic() - started)))
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                return False
            messages = list(self._received(int(rate * TICK) if rate else WHOLE))

    def _received(self, limit: int) -> Iterator[wire.ServerMessage]:
        """Read once, acknowledge, and yield what is complete."""
        data = self._socket.recv(limit)
        if not data:
            raise BenchError("the server closed the connection")
        self._protocol.receive_data(data)
        rendered = -1
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.BINARY:
                message = wire.decode_server(bytes(event.data))
                if isinstance(message, wire.Output | wire.Snapshot):
                    rendered = message.end
                if message is not None and not isinstance(message, wire.Violation):
                    yield message
        if rendered >= 0:
            self._send(wire.Ack(rendered))
        self._flush()  # what the protocol answers by itself: pongs

    def _shake_hands(self, authority: str, prefix: str, token: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET {prefix}ws HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Protocol: {wire.SUBPROTOCOL}, {wire.TOKEN_PREFIX}{token}\r\n\r\n"
        )
        self._socket.sendall(request.encode())
        reply = b""
        while not reply.endswith(b"\r\n\r\n"):
            # Byte by byte: what follows the reply belongs to the protocol.
            byte = self._socket.recv(1)
            if not byte:
                raise BenchError("the server closed the connection before its answer")
            reply += byte
        if not reply.startswith(b"HTTP/1.1 101"):
            raise BenchError(f"the server refused: {reply.splitlines()[0].decode()}")

    def _send(self, message: wire.ClientMessage) -> None:
        self._protocol.send_binary(wire.encode(message))
        self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._socket.sendall(data)
