"""A tiny reverse proxy: serves a port under a prefix, and cuts what goes through on demand."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_CHUNK = 1 << 16


class ReverseProxy:
    """Listens on a port of its own; takes ``prefix`` off each request's path and passes it on."""

    def __init__(self, port: int, prefix: str = "/") -> None:
        self.requests: list[str] = []
        self.passed = bytearray()
        """What the server said."""
        self._port = port
        self._prefix = prefix.encode()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._silent: list[socket.socket] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # shutdown(2) wakes the thread that accepts; close alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    @property
    def upgrades(self) -> list[str]:
        """The requests that became WebSockets."""
        return [line for line in self.requests if "/ws " in line]

    def link(self, link: str) -> str:
        """Return a link that leads through here."""
        fragment = link.partition("#")[2]
        return f"http://127.0.0.1:{self.port}{self._prefix.decode()}#{fragment}"

    def go_silent(self) -> None:
        """Pass nothing on any more of what goes through now, and tell nobody."""
        self._silent = list(self._sockets)

    def cut(self) -> None:
        """Break every connection that goes through, as a network does: in the middle."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _start(self, target: object, *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                self._sockets.append(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(_CHUNK)
                if not data:
                    return
                head += data
            line = head.partition(b"\r\n")[0].decode()
            self.requests.append(line)
            if not line.split()[1].startswith(self._prefix.decode()):
                client.sendall(b"HTTP/1.1 404 Not Here\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self._port)) as server:
                self._sockets.append(server)
                server.sendall(head.replace(b" " + self._prefix, b" /", 1))
                self._join(client, server)

    def _join(self, one: socket.socket, other: socket.socket) -> None:
        """Copy both ways until either side ends."""
        while True:
            for source in select.select([one, other], [], [])[0]:
                data = source.recv(_CHUNK)
                if not data:
                    return
                if source not in self._silent:
                    self.passed += data if source is other else b""
                    (other if source is one else one).sendall(data)
