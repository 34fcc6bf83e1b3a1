"""A client of ptyd.v1 as a stranger would write it: from ARCHITECTURE.md alone.

Nothing of ptyd is imported here. Offsets, continuity and positions are checked on the way, so every
test that uses it also tests the wire.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PATIENCE = 40.0
UNACKED = 64 << 10
"""Bytes of input that may be unacknowledged."""
OUTPUT, SNAPSHOT, EVENT, INPUT_ACK, STDERR = 1, 2, 3, 4, 5
ATTACH, INPUT, RESIZE, ACK, SIGNAL, STDIN_EOF, VISIBLE, REQUEST = range(16, 24)


class Refusal(Exception):
    """The handshake was answered with an HTTP status other than 101."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(f"{status}: {line}")
        self.status = status
        self.line = line


class NoHello(AssertionError):
    """The connection ended before the attach was answered."""


class WrongCertificate(Exception):
    """The server's certificate is not the one that the link names."""


class Place(NamedTuple):
    """Where a session is served: a unix socket, or what a link says."""

    path: str = ""
    host: str = "localhost"
    port: int = 0
    prefix: str = "/"
    tls: bool = False
    token: str = ""
    session: int = 0
    fingerprint: str = ""

    @classmethod
    def of_link(cls, link: str) -> Place:
        parts = urlsplit(link)
        secret = {key: values[0] for key, values in parse_qs(parts.fragment).items()}
        assert parts.hostname is not None
        assert parts.port is not None
        return cls(
            host=parts.hostname,
            port=parts.port,
            prefix=parts.path,
            tls=parts.scheme == "https",
            token=secret.get("t", ""),
            session=int(secret.get("s", 0)),
            fingerprint=secret.get("fp", ""),
        )

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


class WireClient:
    """One connection; ``output`` and ``errors`` came since attach, ``offset`` is our place."""

    def __init__(self, place: Place, *, acks: bool = True) -> None:
        self.place = place
        self.acks = acks
        self.hello: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.output = bytearray()
        self.errors = bytearray()
        self.order = bytearray()
        """What has a place in the journal as it came, one letter each: o, e, and ! for events."""
        self.snapshots = 0
        self.offset = -1
        self.position = self.taken = 0
        self.closed: tuple[int, str] | None = None
        self._acked = -1
        self._edited = False  # queries may be taken out
        self.socket = connect(place)
        offered = ["ptyd.v1"] + ([f"ptyd.token.{place.token}"] if place.token else [])
        uri = parse_uri(f"ws://{place.authority}{place.prefix}ws")
        self._protocol = ClientProtocol(uri, subprotocols=offered, max_size=1 << 20)  # type: ignore[arg-type]
        try:
            self._shake_hands()
        except BaseException:
            self.socket.close()
            raise

    def _shake_hands(self) -> None:
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        deadline = time.monotonic() + PATIENCE
        while self._protocol.state is State.CONNECTING and self._protocol.handshake_exc is None:
            assert time.monotonic() < deadline, "no answer to the handshake"
            self._fill(0.5)
            self._take_events()
        error = self._protocol.handshake_exc
        if isinstance(error, InvalidStatus):
            response = error.response
            raise Refusal(response.status_code, bytes(response.body or b"").decode().strip())
        if error is not None:
            raise error
        assert self._protocol.subprotocol == "ptyd.v1"

    def attach(self, **fields: Any) -> dict[str, Any]:
        """Send the first message and return hello; ``from_`` stands for ``from``."""
        if "from_" in fields:
            fields["from"] = fields.pop("from_")
        if self.place.session:
            fields.setdefault("session", self.place.session)
        self._edited = not fields.get("lossless")
        self.send(ATTACH, json.dumps(fields).encode())
        self.wait_until(lambda: bool(self.hello) or self.closed is not None)
        if not self.hello:
            self.close()
            raise NoHello(f"no hello: {self.closed}")
        return self.hello

    # Out

    def send(self, kind: int, payload: bytes = b"") -> None:
        self._protocol.send_binary(bytes([kind]) + payload)
        self._flush()

    def send_text(self, text: str) -> None:
        self._protocol.send_text(text.encode())
        self._flush()

    def type(self, data: bytes | str) -> None:
        """Type, never more than 64 KiB ahead of the program."""
        view = memoryview(data.encode() if isinstance(data, str) else data)
        while view:
            self.wait_until(lambda: self.position - self.taken < UNACKED or self.closed is not None)
            assert self.closed is None, f"closed while typing: {self.closed}"
            chunk = view[: UNACKED - (self.position - self.taken)]
            self.send(INPUT, struct.pack("!Q", self.position) + bytes(chunk))
            self.position += len(chunk)
            view = view[len(chunk) :]

    def resize(self, rows: int, cols: int) -> None:
        self.send(RESIZE, struct.pack("!HH", rows, cols))

    def signal(self, name: str) -> None:
        self.send(SIGNAL, name.encode("ascii"))

    def execute(self, *args: str, **fields: Any) -> None:
        """Ask for another program in the container; ``started`` or ``refused`` answers."""
        request = {"request": "exec", "args": args, **fields}
        self.send(REQUEST, json.dumps(request).encode())

    def end_stdin(self) -> None:
        self.send(STDIN_EOF)

    def _flush(self) -> None:
        data = b"".join(self._protocol.data_to_send())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # seen when reading
            self.socket.sendall(data)

    # In

    def read_until(self, text: bytes | str) -> bytes:
        """Read until the output since attach holds ``text``; return it all."""
        wanted = text.encode() if isinstance(text, str) else text
        self.wait_until(lambda: wanted in self.output, what=f"{wanted!r} in the output")
        return bytes(self.output)

    def read_to_end(self, within: float = PATIENCE) -> tuple[int, str]:
        """Read until the server closes; return code and reason."""
        self.wait_until(lambda: self.closed is not None, within=within, what="the end")
        assert self.closed is not None
        return self.closed

    def wait_for_event(self, name: str) -> dict[str, Any]:
        self.wait_until(lambda: any(event["event"] == name for event in self.events), what=name)
        return next(event for event in self.events if event["event"] == name)

    def wait_until(
        self, condition: Callable[[], bool], within: float = PATIENCE, what: str = ""
    ) -> None:
        deadline = time.monotonic() + within
        while not condition():
            left = deadline - time.monotonic()
            tail = bytes(self.output[-200:])
            assert left > 0, f"not in {within} s: {what}; {self.closed=} {tail=} {self.events[-3:]}"
            self.step(left)

    def step(self, timeout: float) -> None:
        """Take what has arrived, at most ``timeout`` seconds later; acknowledge it."""
        if self.closed is not None:
            return
        self._fill(timeout)
        self._take_events()
        if self.acks and self.closed is None and self.offset > self._acked:
            self._acked = self.offset
            self.send(ACK, struct.pack("!Q", self.offset))

    def fileno(self) -> int:
        return self.socket.fileno()

    def _fill(self, timeout: float) -> None:
        pending = isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()
        if not pending and not select.select([self.socket], [], [], timeout)[0]:
            return
        try:
            data = self.socket.recv(256 << 10)
        except ConnectionResetError:
            data = b""
        except ssl.SSLWantReadError:
            return
        if data:
            self._protocol.receive_data(data)
            self._flush()  # pongs
            return
        self._protocol.receive_eof()
        self._take_events()
        if self.closed is None:
            code = self._protocol.close_code if self._protocol.close_rcvd else None
            self.closed = (code or 1006, self._protocol.close_reason or "")

    def _take_events(self) -> None:
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                continue
            if event.opcode is Opcode.BINARY:
                assert event.fin
                self._take(bytes(event.data))
            elif event.opcode is Opcode.CLOSE:
                assert self._protocol.close_rcvd is not None
                close = self._protocol.close_rcvd
                self.closed = (int(close.code), close.reason)
                self._flush()

    def _take(self, message: bytes) -> None:
        kind, payload = message[0], message[1:]
        if kind in (OUTPUT, STDERR):
            (end,) = struct.unpack_from("!Q", payload)
            data = payload[8:]
            hole = end - len(data) - self.offset
            assert not hole or (self._edited and hole > 0), (
                f"{hole} between {self.offset} and {end}"
            )
            self.offset = end
            (self.output if kind == OUTPUT else self.errors).extend(data)
            self.order += b"o" if kind == OUTPUT else b"e"
        elif kind == SNAPSHOT:
            end, _rows, _cols = struct.unpack_from("!QHH", payload)
            assert end >= self.offset
            self.offset = end
            self.snapshots += 1
            self.output[:] = payload[12:]
        elif kind == EVENT:
            self._take_event(json.loads(payload))
        elif kind == INPUT_ACK:
            (self.taken,) = struct.unpack("!Q", payload)
            assert self.taken <= self.position, "more was taken than typed"

    def _take_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "hello":
            assert not self.hello
            self.hello = event
            self.offset = self._acked = event["from"]
            self.position = self.taken = event["input"]
        elif event["event"] == "gap":
            assert event["from"] == self.offset
            self.offset = event["to"]
        elif event["event"] in ("exited", "resized"):
            assert event["end"] == self.offset, "an event out of its place"
        self.events.append(event)
        if "end" in event:  # clients and the like come at any time
            self.order += b"!"

    # Leaving and coming back

    def again(self, **fields: Any) -> WireClient:
        """Come back on a new connection, at our offset; the same client, as the table says."""
        self.close()
        client = WireClient(self.place, acks=self.acks)
        client.attach(
            **{
                "from": self.offset,
                "epoch": self.hello["epoch"],
                "client": self.hello["client"],
                "lossless": True,
                **fields,
            }
        )
        return client

    def close(self) -> None:
        """Vanish without a word."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(place: Place) -> socket.socket:
    """Connect; with TLS check the certificate as the link wants it."""
    if place.path:
        sock = socket.socket(socket.AF_UNIX)
        # sun_path holds 108 bytes (unix(7)); the folder's descriptor makes any path short.
        folder = os.open(os.path.dirname(place.path), os.O_PATH | os.O_DIRECTORY)
        try:
            sock.connect(f"/proc/self/fd/{folder}/{os.path.basename(place.path)}")
        except OSError:
            sock.close()
            raise
        finally:
            os.close(folder)
        return sock
    plain = socket.create_connection((place.host, place.port), timeout=PATIENCE)
    if not place.tls:
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        sock = context.wrap_socket(plain)
    except BaseException:
        plain.close()
        raise
    certificate = sock.getpeercert(binary_form=True)
    assert certificate is not None
    if hashlib.sha256(certificate).hexdigest() != place.fingerprint:
        sock.close()
        raise WrongCertificate(place.fingerprint)
    return sock


def drive(clients: Iterable[WireClient], within: float = PATIENCE) -> None:
    """Read for many clients at once, until the server has closed every one."""
    poll = select.poll()
    waiting = {client.fileno(): client for client in clients if client.closed is None}
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    deadline = time.monotonic() + within
    while waiting:
        left = deadline - time.monotonic()
        assert left > 0, f"{len(waiting)} clients did not get to the end in {within} s"
        for fd, _ in poll.poll(left * 1000):
            client = waiting[fd]
            client.step(0)
            if client.closed is not None:
                poll.unregister(fd)
                del waiting[fd]
