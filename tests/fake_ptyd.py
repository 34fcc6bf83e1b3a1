"""A ptyd server for tests of clients: the test says what it sends and looks at what it gets."""

from __future__ import annotations

import contextlib
import fcntl
import queue
import struct
import termios
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.sync.server import Server, ServerConnection, serve, unix_serve

from ptywire import message as wire

if TYPE_CHECKING:
    import ssl
    from http import HTTPStatus
    from pathlib import Path

    from websockets.http11 import Request, Response

TIMEOUT = 10.0
CLIENT = "0123456789abcdef0123456789abcdef"
_ID = "ab" * 32
TOKEN = "a-token-of-sixteen-letters"
Wanted = TypeVar("Wanted")


class Peer:
    """One attached client, seen from the server."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.done = threading.Event()
        self.seen: list[Any] = []

    def receive(self) -> Any:
        """Return the next message, decoded."""
        data = self.connection.recv(timeout=TIMEOUT)
        assert isinstance(data, bytes)
        message = wire.decode_client(data)
        self.seen.append(message)
        return message

    def expect(self, kind: type[Wanted]) -> Wanted:
        """Return the next message of ``kind``, skipping others."""
        while True:
            message = self.receive()
            if isinstance(message, kind):
                return message

    def expect_ack(self, offset: int) -> None:
        """Wait until the client has shown everything before ``offset``."""
        while self.expect(wire.Ack).offset < offset:
            pass

    def expect_input(self, length: int, *, acknowledge: bool = True) -> bytes:
        """Return the next ``length`` bytes that were typed."""
        typed = bytearray()
        while len(typed) < length:
            message = self.expect(wire.Input)
            typed += message.data
            if acknowledge:
                self.send(wire.InputAck(message.position + len(message.data)))
        return bytes(typed)

    def expect_close(self) -> int:
        """Return the code of the close that the client sends, skipping messages before it."""
        try:
            while True:
                self.receive()
        except ConnectionClosed as closed:
            return int(closed.rcvd.code) if closed.rcvd else int(CloseCode.ABNORMAL_CLOSURE)

    def send(self, message: Any) -> None:
        self.connection.send(wire.encode(message))

    def hello(self, **fields: Any) -> None:
        known = {
            "event": "hello",
            "protocol": wire.SUBPROTOCOL,
            "client": CLIENT,
            "session": 0,
            "epoch": 1,
            "role": "control",
            "tty": True,
            "input": 0,
            "doubt": 0,
            "start": 0,
            "end": 0,
            "from": 0,
            "replay": False,
            "rows": 24,
            "cols": 80,
            "name": "brave_otter",
        }
        self.send(wire.Event(known | fields))

    def event(self, name: str, **fields: Any) -> None:
        self.send(wire.Event({"event": name, **fields}))

    def exit(self, status: int, end: int = 0) -> None:
        """The program ended; close as a server does."""
        self.event("exited", end=end, status=status)
        self.close(wire.CLOSE_EXITED)

    def close(self, code: int, reason: str = "") -> None:
        self.connection.close(code, reason)
        self.done.set()

    def has_sent_all(self) -> bool:
        """Tell whether the client's kernel has everything: an abort throws the rest away."""
        unsent = fcntl.ioctl(self.connection.socket, termios.TIOCOUTQ, bytes(4))
        return struct.unpack("i", unsent) == (0,)

    def abort(self) -> None:
        """Break the connection as a crash would."""
        self.connection.close_socket()
        self.done.set()


class FakePtyd:
    """Listens on a loopback port, or on a unix socket when ``path`` is given."""

    def __init__(
        self,
        path: str | None = None,
        *,
        port: int = 0,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._token = token
        self._stopping = threading.Event()
        self._peers: queue.Queue[Peer] = queue.Queue()
        self._all: list[Peer] = []
        settings: dict[str, Any] = {
            "subprotocols": [wire.SUBPROTOCOL],
            "compression": None,
            "ping_interval": None,
            "close_timeout": 1,
            "process_request": self._check,
        }
        self._server: Server
        if path is None:
            self._server = serve(self._handle, "127.0.0.1", port, ssl=tls, **settings)
            self.port = int(self._server.socket.getsockname()[1])
        else:
            self._server = unix_serve(self._handle, path, **settings)
            self.port = 0
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def link(self) -> str:
        return f"http://127.0.0.1:{self.port}/#t={TOKEN}"

    def accept(self) -> Peer:
        """Return the next client that made its WebSocket handshake."""
        return self._peers.get(timeout=TIMEOUT)

    def attached(self, **hello: Any) -> tuple[Peer, dict[str, Any]]:
        """Accept a client, take its attach and say hello."""
        peer = self.accept()
        fields = peer.expect(wire.Attach).fields
        peer.hello(**hello)
        return peer, fields

    def stop(self) -> None:
        self._stopping.set()
        for peer in self._all:
            with contextlib.suppress(OSError):
                peer.abort()
        self._server.shutdown()
        self._thread.join(TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _handle(self, connection: ServerConnection) -> None:
        peer = Peer(connection)
        self._all.append(peer)
        self._peers.put(peer)
        if self._stopping.is_set():  # after the append: one of us sees the other
            peer.done.set()
        peer.done.wait()

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        if self._token is None:
            return None
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        if f"{wire.TOKEN_PREFIX}{self._token}" in [part.strip() for part in offered.split(",")]:
            return None
        unauthorized: HTTPStatus | int = 401
        return connection.respond(unauthorized, "wrong or expired token\n")  # type: ignore[arg-type]


def claim(root: Path, name: str) -> str:
    """Make the state of a container; return the path of its control socket."""
    (root / "containers" / _ID).mkdir(parents=True)
    (root / "names").mkdir()
    (root / "names" / name).symlink_to(_ID)
    (root / "run" / _ID[:12]).mkdir(parents=True)
    return str(root / "run" / _ID[:12] / "control.sock")
