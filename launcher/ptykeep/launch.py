"""Starting a keeper: what ``ptyd run`` does once a container's folder is written."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from typing import Any

from ptykeep import keeper_main
from ptykeep.protocol import FD
from ptylaunch.sealed import is_exposed, sealed_copy


class StartFailed(Exception):
    """The container did not start; ``exit_code`` is docker's, the message one line for a user."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Starting:
    """A keeper on its way: :meth:`wait` for it, and do something else before."""

    def __init__(self, sock: socket.socket, pid: int) -> None:
        self._socket = sock
        self.pid = pid

    def fileno(self) -> int:
        """Readable once :meth:`wait` would not have to wait."""
        return self._socket.fileno()

    def interrupt(self) -> None:
        """Ask the keeper, our child, to end its container at once."""
        os.kill(self.pid, signal.SIGINT)

    def wait_for_end(self, timeout: float) -> None:
        """Wait for the keeper's own end, for at most ``timeout`` seconds."""
        fd = os.pidfd_open(self.pid)
        try:
            select.select([fd], [], [], timeout)
        finally:
            os.close(fd)

    def wait(self) -> dict[str, Any]:
        """Return what the keeper says once the program runs; raise StartFailed."""
        answer = b""
        with self._socket:
            try:
                while chunk := self._socket.recv(1 << 16):
                    answer += chunk
            except ConnectionResetError:
                pass  # it died before it had read what it is to start
        if not answer:
            raise StartFailed("the keeper ended before it could say why", 125)
        fields: dict[str, Any] = json.loads(answer)
        if "error" in fields:
            raise StartFailed(fields["error"], fields["exit_code"])
        return fields


def start_keeper(
    data: str, run: str, container: str, how: dict[str, Any] | None = None
) -> Starting:
    """Start the keeper of a container whose config.json is written; ``how`` as an order to start.

    The keeper gets an empty environment, a session of its own and an argv that tells nothing; what
    it needs to know goes over its socket, the server's import path included.
    """
    ours, theirs = socket.socketpair()
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    log = os.open(
        f"{data}/containers/{container}/keeper.log",
        os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC,
        0o600,
    )
    interpreter, copy = sys.executable, -1
    try:
        if is_exposed(interpreter):
            copy = sealed_copy(interpreter)
            interpreter = f"/proc/self/fd/{copy}"
        pid = os.posix_spawn(
            interpreter,
            [sys.executable, "-I", "-S", keeper_main()],
            {},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, null, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
                (os.POSIX_SPAWN_DUP2, theirs.fileno(), FD),
            ],
            setsid=True,
            setsigmask=(),
        )
    finally:
        if copy >= 0:
            os.close(copy)
        os.close(null)
        os.close(log)
        theirs.close()
    where = {"data": data, "run": run, "container": container, "path": import_path()}
    request = {**(how or {}), **where}
    ours.sendall(json.dumps(request).encode() + b"\n")
    return Starting(ours, pid)


def import_path() -> list[str]:
    """Return the folders that the server imports from: ours without the standard library's."""
    standard = (sys.prefix + "/lib/python", sys.base_prefix + "/lib/python")
    return [
        path
        for path in sys.path
        if os.path.isdir(path) and (not path.startswith(standard) or path.endswith("-packages"))
    ]
