"""How a box that was created by one command is started by another.

The waiting program listens on a socket in the container's folder: it got the listening fd from its
creator and opens nothing itself, so no path of the host is looked up from inside, as it is with a
fifo (CVE-2024-21626 began with such an fd). ``start`` connects, says GO and hears on the same
connection what the keeper hears on its socketpair: nothing when execve went well, else FAILED.

Nobody listens any more once the program runs, however ``start`` ended: that is how ``created`` is
told from ``running``.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
from typing import TYPE_CHECKING, Final

from ptylaunch import channel as ch
from ptylaunch.errors import LaunchFailed, Refused, failure_from, unpack_failure

if TYPE_CHECKING:
    from types import FrameType

_NAME: Final = "start.sock"
_BACKLOG: Final = 8
_TIMEOUT: Final = 60.0
"""Seconds that the program has from GO to execve."""

_ENDING: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def listen(folder_fd: int) -> socket.socket:
    """Make the socket, 0600 by the mode of its folder."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(_path(folder_fd))
    listener.listen(_BACKLOG)
    return listener


def await_start(listener: socket.socket) -> socket.socket:
    """Wait in the program for GO; return the connection that it came by.

    Signals that end a program end it here too: a pid 1 would not get them without a handler
    (pid_namespaces(7)). execve makes them the default again.
    """
    for number in _ENDING:
        signal.signal(number, _end)
    while True:
        connection, _ = listener.accept()
        if ch.await_word(connection, ch.GO):
            listener.close()
            return connection
        connection.close()  # one that only looked, or was killed before it said it


def is_awaited(folder_fd: int) -> bool:
    """Tell whether the program still waits."""
    try:
        with _connect(folder_fd):
            return True
    except BlockingIOError:  # the backlog is full: somebody does listen, but is stopped
        return True
    except (FileNotFoundError, ConnectionRefusedError):
        return False


def say_start(folder_fd: int) -> None:
    """Let the program run; LaunchFailed("exec", …) when it cannot, Refused when none waits."""
    try:
        sock = _connect(folder_fd)
    except (FileNotFoundError, ConnectionRefusedError):
        raise Refused("it does not wait for a start") from None
    with sock:
        sock.settimeout(_TIMEOUT)
        send_go(sock)
    os.unlink(_NAME, dir_fd=folder_fd)


def send_go(sock: socket.socket) -> None:
    """Say GO and hear what became of it; LaunchFailed when the program could not be executed."""
    message = ch.Message(b"", b"", 0, [])
    try:
        ch.send(sock, ch.GO)
        message = ch.receive(sock)
    except TimeoutError:
        raise LaunchFailed("exec", errno.ETIMEDOUT) from None
    except (BrokenPipeError, ConnectionResetError):
        pass  # killed while it waited: its exit status says so
    except OSError as error:
        raise failure_from(error, "exec") from error
    if message.kind == ch.FAILED:
        raise unpack_failure(message.data)


def _connect(folder_fd: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.setblocking(False)
    try:
        sock.connect(_path(folder_fd))
    except OSError:
        sock.close()
        raise
    return sock


def _path(folder_fd: int) -> str:
    """Return a path of few bytes: sun_path has room for 107 (unix(7))."""
    return f"/proc/self/fd/{folder_fd}/{_NAME}"


def _end(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)
