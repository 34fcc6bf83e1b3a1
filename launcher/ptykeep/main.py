"""A keeper's first and last moments: read the request, start, answer, live."""

from __future__ import annotations

import gc
import json
import os
import socket
from typing import TYPE_CHECKING, Any, NoReturn

from ptykeep.failure import explain
from ptykeep.log import write_log_in
from ptykeep.protocol import FD
from ptykeep.server import Server

if TYPE_CHECKING:
    from ptykeep.keeper import Keeper


def main() -> NoReturn:
    """Get ready, read the launch request from fd 3, start, answer, live.

    It may be a while until there is a request (ptykeep.forerunner), or none may come.
    """
    os.umask(0o077)
    os.chdir("/")
    with socket.socket(fileno=FD) as launcher:
        launcher.set_inheritable(False)
        path, rest = read_to(b"\0\0", launcher)
        if not path:
            os._exit(0)
        server = Server([os.fsdecode(folder) for folder in path.split(b"\0")])
        server.start()
        # All that a start needs, while whoever started us finds out what of.
        for name in ("ptykeep.building", "ptykeep.execution"):
            __import__(name)
        from ptykeep.keeper import Keeper

        gc.freeze()
        gc.enable()
        line, _ = read_to(b"\n", launcher, rest)
        if not line:
            server.kill()
            os._exit(0)
        answer, keeper, held = start(json.loads(line), server, Keeper)
        try:
            launcher.sendall(json.dumps(answer).encode())
        except OSError:
            pass  # whoever started us is gone; the container is not
    if keeper is None:
        os._exit(1)
    keeper.run()
    os.close(held)
    os._exit(0)


def start(
    request: dict[str, Any], server: Server, make: type[Keeper]
) -> tuple[dict[str, Any], Keeper | None, int]:
    """Start the container; return what to answer, its keeper if it has started, and its lock."""
    from ptykeep import lock

    directory = f"{request['data']}/containers/{request['container']}"
    try:
        write_log_in(directory)
        held = lock.take(directory)
        keeper = make(request, server)
        keeper.start()
    except Exception as error:  # noqa: BLE001 - whatever it is, whoever started us is told
        server.kill()
        return explain(error), None, -1
    return {"pid": os.getpid(), "listeners": keeper.state["listeners"]}, keeper, held


def read_to(mark: bytes, sock: socket.socket, data: bytes = b"") -> tuple[bytes, bytes]:
    """Return what is sent until ``mark``, and what came after it; nothing if that never comes."""
    while mark not in data:
        try:
            chunk = sock.recv(1 << 16)
        except ConnectionResetError:
            chunk = b""  # it was killed before it had read something of ours
        if not chunk:
            return b"", b""
        data += chunk
    found, _, rest = data.partition(mark)
    return found, rest
