"""A real server process, started and greeted as by a keeper; the test is the keeper."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Any, Self

from ptykeep.forerunner import import_path
from ptykeep.identity import give
from ptykeep.listener import bind_control
from ptykeep.protocol import VERSION, Packet, receive
from ptykeep.server import Server
from session_program import LOG_MAX, Program
from wire_client import Place, WireClient

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE = 20.0


class KeptServer:
    """One server at a time for one program, reached by ``control.sock``."""

    def __init__(self, folder: Path, *, terminal: bool = True) -> None:
        self.folder = folder
        self.program = Program(terminal=terminal)
        self.status: int | None = None
        self.server = Server(import_path(), str(folder))
        give(str(folder), 0)
        self._control = bind_control(str(folder / "run"))
        self._clients: list[WireClient] = []

    def start(self, *, hurried: bool = False) -> dict[str, Any]:
        """Start a server and greet it; return its ``ready``."""
        self.server.start()
        if hurried:
            self.server.hurry()
        self.server.send(
            {
                "type": "hello",
                "version": VERSION,
                "id": "ab" * 32,
                "name": "brave_otter",
                "directory": str(self.folder),
                "owner": os.geteuid(),
                "uid": 0,
                "options": {"log_max": LOG_MAX, "host_names": [], "tls": False},
                "listeners": [self._control.describe()],
            },
            [self._control.socket.fileno()],
        )
        self.server.send(self.program.fields(status=self.status), list(self.program.held.values()))
        ready = self.receive()
        assert ready is not None
        self.server.on_ready()
        return ready.fields

    def client(self, **fields: Any) -> WireClient:
        client = WireClient(Place(path=str(self.folder / "run" / "control.sock")))
        self._clients.append(client)
        client.attach(**{"from": "start", "lossless": True, **fields})
        return client

    def receive(self) -> Packet | None:
        """Return what the server asks of its keeper."""
        assert self.server.socket is not None
        assert select.select([self.server.socket], [], [], _PATIENCE)[0], "the server is silent"
        return receive(self.server.socket)

    def exited(self, status: int) -> None:
        self.status = status
        self.server.send({"type": "exited", "session": 0, "status": status})

    def reap(self) -> int:
        """Wait for the server's end; return its exit code, negative for a signal."""
        assert self.server.pid is not None
        fd = os.pidfd_open(self.server.pid)
        try:
            assert select.select([fd], [], [], _PATIENCE)[0], "the server does not end"
        finally:
            os.close(fd)
        code = os.waitstatus_to_exitcode(os.waitpid(self.server.pid, 0)[1])
        self.server.on_reaped()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.kill()
        for client in self._clients:
            client.close()
        self._control.socket.close()
        self.program.__exit__()
