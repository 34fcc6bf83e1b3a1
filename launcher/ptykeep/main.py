"""A keeper's first and last moments: read the request, start, answer, live."""

from __future__ import annotations

import json
import os
import socket
from typing import Any, NoReturn

from ptykeep import state
from ptykeep.failure import explain
from ptykeep.keeper import Keeper
from ptykeep.protocol import FD


def main() -> NoReturn:
    """Read the launch request from fd 3, start, answer, live."""
    os.umask(0o077)
    with socket.socket(fileno=FD) as launcher:
        launcher.set_inheritable(False)
        request = json.loads(read_line(launcher))
        answer: dict[str, Any]
        keeper: Keeper | None = None
        lock = -1
        try:
            lock = state.take_lock(f"{request['data']}/containers/{request['container']}")
            os.chdir("/")
            keeper = Keeper(request)
            keeper.start()
            answer = {"pid": os.getpid(), "listeners": keeper.state["listeners"]}
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever started us is told
            answer = explain(error)
        try:
            launcher.sendall(json.dumps(answer).encode())
        except OSError:
            pass  # whoever started us is gone; the container is not
    if "error" in answer or keeper is None:
        os._exit(1)
    keeper.run()
    os.close(lock)
    os._exit(0)


def read_line(sock: socket.socket) -> bytes:
    """Return what is sent until the end of a line, or of everything."""
    line = b""
    while not line.endswith(b"\n") and (chunk := sock.recv(1 << 16)):
        line += chunk
    return line
