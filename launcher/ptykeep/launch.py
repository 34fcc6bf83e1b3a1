"""Starting a keeper: what ``ptyd run`` does once a container's folder is written."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from typing import Any

from ptykeep import forerunner


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

    It may be on its way already (ptykeep.forerunner). What it needs to know goes over its socket.
    """
    keeper = forerunner.take()
    request = {**(how or {}), "data": data, "run": run, "container": container}
    ours = socket.socket(fileno=keeper.socket.detach())
    try:
        ours.sendall(json.dumps(request).encode() + b"\n")
    except OSError:
        pass  # it is dead: Starting.wait tells
    return Starting(ours, keeper.pid)
