"""A server without its keeper: real sockets and a real session, in a thread of the test.

The test is the program (``program``), the keeper (``requests``) and the clients (``WireClient``).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import secrets
import select
import socket
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ptyd.container import Container
from ptyd.net.channel import Channel
from ptyd.net.http import HttpConnection, accept_control
from ptyd.net.poller import Poller
from ptyd.net.raw import RawClient
from ptykeep.forerunner import import_path
from ptykeep.screens import Screens
from session_program import LOG_MAX, Program
from waiting import wait_until
from wire_client import Place, WireClient

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from ptyd.session.session import Session

Value = TypeVar("Value")
_PATIENCE = 20.0


class Served:
    """One container with session 0, on a port, a raw port and ``control.sock``."""

    def __init__(
        self,
        make_loop: Callable[[], asyncio.AbstractEventLoop],
        folder: Path,
        *,
        terminal: bool = True,
        tls: ssl.SSLContext | None = None,
        log_max: int = LOG_MAX,
    ) -> None:
        self.folder = folder
        self.program = Program(terminal=terminal)
        self.requests: list[dict[str, Any]] = []
        self.channels: list[Channel] = []
        self.screens = Screens(import_path(), str(folder), 0)
        self.failures: list[object] = []
        self._tls = tls
        self._tokens: list[dict[str, Any]] = []
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(self.program)
        self._stderr = self._stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        self._fds = self._stack.enter_context(self.program.passed())
        self.loop = make_loop()
        self.loop.set_exception_handler(lambda _, context: self.failures.append(context))
        self.poller = Poller(self.loop)
        self._listeners = {
            "ptyd.v1": socket.create_server(("127.0.0.1", 0)),
            "raw": socket.create_server(("127.0.0.1", 0)),
            "control": _listen_unix(folder / "control.sock"),
        }
        self.port = int(self._listeners["ptyd.v1"].getsockname()[1])
        self.raw_port = int(self._listeners["raw"].getsockname()[1])
        self.container = Container(
            self.loop,
            {
                "id": "ab" * 32,
                "name": "brave_otter",
                "directory": str(folder),
                "owner": os.geteuid(),
                "options": {
                    "log_max": log_max,
                    "host_names": ["Box.Example.Org"],
                    "tls": tls is not None,
                },
            },
            self._on_request,
        )
        self.token = self.share("control")
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.on_loop(self._start)

    def _on_request(self, fields: dict[str, Any], sock: socket.socket | None) -> None:
        """Do what the keeper would about screens; what else is asked is the test's to see."""
        if fields["type"] == "screen" and sock is not None:
            self.screens.start(fields["session"], sock.fileno())
            sock.close()
        elif fields["type"] == "end-screen":
            self.screens.end(fields["session"])
        else:
            self.requests.append(fields)

    def _start(self) -> None:
        fields = self.program.fields()
        self.container.add_session(fields, list(self._fds.values()), spliced=True)
        for dialect, listener in self._listeners.items():
            listener.setblocking(False)
            self.loop.add_reader(listener.fileno(), self._accept, dialect, listener)

    def _accept(self, dialect: str, listener: socket.socket) -> None:
        channel = Channel(self.poller, listener.accept()[0])
        self.channels.append(channel)
        if dialect == "raw":
            RawClient(self.container, self.session, channel).start()
        elif dialect == "control":
            accept_control(self.container, channel)
        else:
            HttpConnection(self.container, channel, control=False, tls=self._tls).start()

    @property
    def session(self) -> Session:
        return self.container.sessions[0]

    @property
    def pending(self) -> int:
        """Bytes that wait here for peers that do not read."""
        return self.on_loop(lambda: sum(len(v) for c in self.channels for v in c._pending))

    # The test's side

    def share(self, role: str, **fields: Any) -> str:
        """Make a token, as ``ptyd share`` does."""
        token = secrets.token_urlsafe(24)
        digest = hashlib.sha256(token.encode()).hexdigest()
        self._tokens.append({"sha256": digest, "role": role, **fields})
        path = self.folder / "tokens.json"
        path.with_suffix(".new").write_text(json.dumps({"tokens": self._tokens}))
        path.with_suffix(".new").rename(path)
        return token

    def place(self, token: str | None = None) -> Place:
        return Place(host="127.0.0.1", port=self.port, token=token or self.token)

    def client(self, token: str | None = None, *, acks: bool = True) -> WireClient:
        """Return a client after its handshake, closed at the latest with us."""
        return self._stack.enter_context(WireClient(self.place(token), acks=acks))

    def attached(self, token: str | None = None, **fields: Any) -> WireClient:
        client = self.client(token, acks=bool(fields.pop("acks", True)))
        client.attach(**fields)
        return client

    def owner(self, **fields: Any) -> WireClient:
        client = WireClient(Place(path=str(self.folder / "control.sock")))
        self._stack.enter_context(client)
        client.attach(**fields)
        return client

    def connect(self, port: int | None = None) -> socket.socket:
        """Return a plain connection, closed at the latest with us."""
        sock = socket.create_connection(("127.0.0.1", port or self.port), timeout=_PATIENCE)
        return self._stack.enter_context(sock)

    def write(self, size: int) -> None:
        """Have the program write ``size`` bytes of the pattern."""
        self.program.write_waiting(size)

    def print(self, data: bytes) -> None:
        """Have the program write these few bytes, and wait until they are in the journal."""
        end = self.session.journal.end + len(data)
        os.write(self.program.out, data)
        self.wait(lambda: self.session.journal.end >= end)

    def exit(self, status: int) -> None:
        self.on_loop(lambda: self.session.on_exit(status))

    def typed(self, size: int) -> bytes:
        """Return the next ``size`` bytes that the program is given."""
        got = bytearray()
        while len(got) < size:
            ready = select.select([self.program.stdin], [], [], _PATIENCE)[0]
            assert ready, f"{size - len(got)} of {size} bytes were not typed; {bytes(got[-80:])!r}"
            got += os.read(self.program.stdin, size - len(got))
        return bytes(got)

    def beat(self, after: float) -> None:
        """Let the heartbeat come, as if ``after`` seconds had passed."""

        def beat() -> None:
            for websocket in list(self.container.websockets):
                websocket.on_heartbeat(time.monotonic() + after)

        self.on_loop(beat)

    def on_loop(self, action: Callable[[], Value]) -> Value:
        """Run something where the server runs and return its result."""
        future: Future[Value] = Future()

        def run() -> None:
            try:
                future.set_result(action())
            except BaseException as error:  # noqa: BLE001 - the test is who wants to know
                future.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return future.result(_PATIENCE)

    def wait(self, condition: Callable[[], object]) -> None:
        """Look at a condition between two turns of the server's loop."""
        wait_until(lambda: self.on_loop(condition))

    # The end

    def _stop(self) -> None:
        for channel in self.channels:
            channel.abort()
        self.poller.close()
        for listener in self._listeners.values():
            self.loop.remove_reader(listener)
        for name in ("pty", "stdout", "stderr"):
            if name in self._fds:
                self.loop.remove_reader(self._fds[name])
                self.loop.remove_writer(self._fds[name])
        self.session.input._stop_waiting()
        self.session.close()
        self.screens.end_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.on_loop(self._stop)
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(_PATIENCE)
            self.loop.close()
            for listener in self._listeners.values():
                listener.close()
            self._stack.close()

        assert self.failures == []
        assert "Traceback" not in self._stderr.getvalue(), self._stderr.getvalue()


def _listen_unix(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    return sock
