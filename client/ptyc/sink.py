"""Standard output and error, written without ever being waited for.

Output that blocks (a stopped terminal, a full pipe) must not stop typing, resizing or the detach
keys; but O_NONBLOCK belongs to the open file *description*, which we share with the user's shell
(fcntl(2)), so it is never set on theirs. A terminal or pipe is opened a second time through
/proc/self/fd (proc(5)): a description of our own. Where that is not allowed, a poll(2) for POLLOUT
is followed by one small write: a pipe that polls writable takes PIPE_BUF bytes (pipe(7)); a
terminal promises less. Regular files and sockets have answers of their own.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import stat
from typing import Final

from ptyc.fault import FAILED, Left

_SLICE: Final = 1 << 18
_PIPE_BUF: Final = 4096
_TIMID: Final = 256  # the room at which a terminal polls writable, WAKEUP_CHARS in n_tty.c


class Sink:
    """One way out; ``is_terminal`` when a person sees it."""

    def __init__(self, fd: int) -> None:
        """Raise OSError when ``fd`` is not open."""
        self.fd = fd
        self.is_terminal = os.isatty(fd)
        self._limit = _SLICE
        self._own_fd = -1
        self._socket: socket.socket | None = None
        kind = os.fstat(fd).st_mode
        if stat.S_ISSOCK(kind):
            self._socket = socket.socket(fileno=os.dup(fd))
        elif stat.S_ISFIFO(kind) or self.is_terminal:
            try:
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
                self._own_fd = os.open(f"/proc/self/fd/{fd}", flags)
            except OSError:
                self._limit = _PIPE_BUF if stat.S_ISFIFO(kind) else _TIMID

    def write(self, buffers: list[memoryview]) -> int:
        """Write a part of ``buffers``; return how many bytes, 0 when it would have to wait.

        Call after poll(2) said POLLOUT. Raise OSError: EPIPE, EIO after a hang-up, ENOSPC.
        """
        try:
            if self._socket is not None:
                return self._socket.sendmsg(buffers, (), socket.MSG_DONTWAIT)
            if self._own_fd >= 0:
                return os.writev(self._own_fd, buffers)
            return os.write(self.fd, buffers[0][: self._limit])
        except BlockingIOError:
            return 0

    def failed(self, error: OSError) -> Left:
        """Return how it ends after :meth:`write` raised ``error``."""
        if error.errno == errno.EPIPE:
            return Left(128 + signal.SIGPIPE)
        if error.errno == errno.EIO and self.is_terminal:
            return Left(128 + signal.SIGHUP)
        where = "standard output" if self.fd == 1 else "standard error"
        return Left(FAILED, f"cannot write to {where}: {error.strerror}")

    def close(self) -> None:
        """Close what was opened here; the user's descriptor stays."""
        if self._own_fd >= 0:
            os.close(self._own_fd)
            self._own_fd = -1
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def write_all(self, data: bytes, patience: float) -> None:
        """Write ``data``, giving up when nothing moves for ``patience`` seconds."""
        view = memoryview(data)
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        while view and poll.poll(patience * 1000):
            view = view[self.write([view]) :]
