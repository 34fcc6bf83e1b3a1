"""Listening sockets: bound by the keeper, accepted from by whichever server runs."""

from __future__ import annotations

import os
import socket
from typing import Any, NamedTuple

from ptykeep.order import NAME

BACKLOG = 128


class Listener(NamedTuple):
    """A bound socket and what is spoken on it: ``ptyd.v1``, ``raw`` or ``control``."""

    dialect: str
    host: str
    port: int
    socket: socket.socket

    def describe(self) -> dict[str, Any]:
        return {"dialect": self.dialect, "host": self.host, "port": self.port}


def bind_again(wanted: dict[str, Any], last: int) -> Listener:
    """Bind what is wanted; any port is the ``last`` one, if it is still free."""
    dialect, host, port = wanted["dialect"], wanted["host"], wanted["port"]
    if last and not port:
        try:
            return bind_tcp(dialect, host, last)
        except OSError:
            pass  # somebody else has it now
    return bind_tcp(dialect, host, port)


def bind_tcp(dialect: str, host: str, port: int) -> Listener:
    """Bind a TCP port, 0 for any; raise OSError with the address as its file name."""
    # As text a name goes through IDNA, for which Python loads 2 MB, ASCII or not (RFC 3490).
    name = host.encode() if host.isascii() else host
    try:
        found = socket.getaddrinfo(
            name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
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
    """Bind ``control.sock`` in ``directory``, for the server."""
    sock = _bind_unix(directory, "control.sock", socket.SOCK_STREAM)
    return Listener("control", f"{directory}/control.sock", 0, sock)


def bind_orders(directory: str) -> socket.socket:
    """Bind ``keeper.sock`` in ``directory``, for the keeper itself."""
    return _bind_unix(directory, NAME, socket.SOCK_SEQPACKET)


def _bind_unix(directory: str, name: str, kind: int) -> socket.socket:
    """Bind a socket in ``directory``, mode 0600, however long the path is.

    sun_path holds 108 bytes (unix(7)); through /proc/self/fd any directory is short.
    """
    os.makedirs(directory, mode=0o700, exist_ok=True)
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sock = socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK)
        mask = os.umask(0o177)
        try:
            sock.bind(f"/proc/self/fd/{fd}/{name}")
        except OSError:
            sock.close()
            raise
        finally:
            os.umask(mask)
        sock.listen(BACKLOG)
        return sock
    finally:
        os.close(fd)
