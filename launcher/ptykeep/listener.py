"""Listening sockets: bound by the keeper, accepted from by whichever server runs."""

from __future__ import annotations

import os
import socket
from typing import Any, NamedTuple

BACKLOG = 128


class Listener(NamedTuple):
    """A bound socket and what is spoken on it: ``ptyd.v1``, ``raw`` or ``control``."""

    dialect: str
    host: str
    port: int
    socket: socket.socket

    def describe(self) -> dict[str, Any]:
        return {"dialect": self.dialect, "host": self.host, "port": self.port}


def bind_tcp(dialect: str, host: str, port: int) -> Listener:
    """Bind a TCP port, 0 for any; raise OSError with the address as its file name."""
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
        family, kind, protocol, _, address = found[0]
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    except OSError as error:
        raise _named(error, host, port) from None
    try:
        # Lets a port be taken while connections of an earlier server linger in TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise _named(error, host, port) from None
    bound = sock.getsockname()
    return Listener(dialect, str(bound[0]), int(bound[1]), sock)


def _named(error: OSError, host: str, port: int) -> OSError:
    return OSError(error.errno, error.strerror or str(error), f"{host}:{port}")


def bind_control(directory: str) -> Listener:
    """Bind ``control.sock`` in ``directory``, mode 0600, however long the path is.

    sun_path holds 108 bytes (unix(7)); through /proc/self/fd any directory is short.
    """
    os.makedirs(directory, mode=0o700, exist_ok=True)
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        path = f"/proc/self/fd/{fd}/control.sock"
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        mask = os.umask(0o177)
        try:
            sock.bind(path)
        except OSError:
            sock.close()
            raise
        finally:
            os.umask(mask)
        sock.listen(BACKLOG)
    finally:
        os.close(fd)
    return Listener("control", f"{directory}/control.sock", 0, sock)
