"""A link that breaks: a TCP proxy that cuts what goes through it, at random bytes, both ways."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from types import TracebackType

_CHUNK = 1 << 16
_RST = struct.pack("ii", 1, 0)  # SO_LINGER for no time: close(2) sends a reset (socket(7))
ENDS = ("reset", "fin", "silence")
"""What an end of a connection is told of the cut; silence: nothing, till all is over."""


class Cut(NamedTuple):
    """After ``size`` bytes in one direction the connection ends, for each side in its own way."""

    upwards: bool
    size: int
    client: str
    server: str


class CuttingProxy:
    """Listens on a port of its own, passes connections on, and cuts the first ``times`` of them."""

    def __init__(self, port: int, times: int, seed: int) -> None:
        self.cuts: list[Cut] = []
        self._times = times
        self._port = port
        self._chance = random.Random(seed)
        self._silent: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._woken, self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._wake.close()
        self._thread.join()
        for each in (self._woken, self._listener, *self._silent):
            each.close()

    def link(self, link: str) -> str:
        """Return a link that leads through here."""
        fragment = link.partition("#")[2]
        return f"http://127.0.0.1:{self.port}/#{fragment}"

    @property
    def is_done(self) -> bool:
        """Whether every cut was made: what is connected from here on stays."""
        return len(self.cuts) >= self._times

    def _accept(self) -> None:
        # One connection after the other: the client under test has one at a time.
        while self._woken not in select.select([self._listener, self._woken], [], [])[0]:
            client = self._listener.accept()[0]
            server = socket.create_connection(("127.0.0.1", self._port))
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._serve(client, server, None if self.is_done else self._plan())

    def _plan(self) -> Cut:
        # Of every order of magnitude as many: in the handshake, in a frame, far into the flood.
        chance, upwards = self._chance, self._chance.random() < 0.5
        size = int(10 ** chance.uniform(1, 4.0 if upwards else 5.3))
        if not self.cuts:
            upwards, size = False, 4000 + size  # who never was attached does not come back
        return Cut(upwards, size, chance.choice(ENDS[:2]), chance.choice(ENDS))

    def _serve(self, client: socket.socket, server: socket.socket, cut: Cut | None) -> None:
        left = cut.size if cut is not None else 0
        others = {client: server, server: client}
        with contextlib.suppress(OSError):  # either side may end it before we do
            while True:
                ready = select.select([client, server, self._woken], [], [])[0]
                if self._woken in ready:
                    break
                for source in ready:
                    data = source.recv(_CHUNK)
                    if not data:
                        raise ConnectionError
                    if cut is not None and (source is client) == cut.upwards:
                        data = data[:left]
                        left -= len(data)
                    others[source].sendall(data)
                if cut is not None and left == 0:
                    self.cuts.append(cut)
                    self._end(client, cut.client)
                    self._end(server, cut.server)
                    return
        client.close()
        server.close()

    def _end(self, sock: socket.socket, how: str) -> None:
        if how == "silence":
            self._silent.append(sock)
            return
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        else:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
        sock.close()
