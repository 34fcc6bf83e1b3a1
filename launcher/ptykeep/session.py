"""A session's descriptors, held for its whole life so that no server's death loses a byte.

With a terminal: the PTY, a pipe that bytes pass through on their way into the journal, and one fd
of the program's end, so that the terminal never hangs up (EIO) while programs come and go. Without:
three pipes, both ends of the output pipes, so that the program never sees SIGPIPE.
"""

from __future__ import annotations

import fcntl
import os
from typing import Any, Final

PIPE_SIZE: Final = 256 << 10
"""Bytes. A splice from a PTY takes one of a pipe's page-sized slots, however short it is; 64 KiB
in 4 KiB pieces need 16 of these 64."""
INPUT_SIZE: Final = 32 << 10
"""Bytes of the memfd where the server keeps the input positions of clients."""


class Session:
    """The fds of one program and, once it has ended, its status."""

    def __init__(self, *, tty: bool, number: int) -> None:
        self.tty = tty
        self.number = number
        self.epoch = 1
        self.status: int | None = None
        self.pid = 0
        """Host pid of a program that joined, a child of ours until it is reaped; else 0."""
        self.again = False
        """It has ended, and another epoch follows."""
        self.foreground = False
        """Whoever started it reads it from the first byte on, and is waited for."""
        self.on_disconnect = "keep"
        """What becomes of it when its last client vanishes: ``keep`` or ``hup``."""
        self.size: tuple[int, int] = (24, 80)
        self.stdio: tuple[int, int, int] | None = None
        self._named: dict[str, int] = {}
        self._tty_fd = -1
        self.stdin_read = -1

    def hold(self, name: str, fd: int) -> None:
        self._named[name] = fd

    def adopt(self, pty_fd: int | None, tty_fd: int | None) -> None:
        """Take over the terminal that the box opened inside itself."""
        if pty_fd is not None and tty_fd is not None:
            self._named = {"pty": pty_fd, **self._named}
            self._tty_fd = tty_fd

    def close_program_ends(self) -> None:
        """Close what only the program reads: then its end-of-file is the program's doing."""
        if self.stdin_read >= 0:
            os.close(self.stdin_read)
            self.stdin_read = -1

    def close_stdin(self) -> None:
        fd = self._named.pop("stdin", -1)
        if fd >= 0:
            os.close(fd)

    def window(self) -> tuple[int, int] | None:
        """Return the rows and columns that the terminal has now; None without one."""
        if self._tty_fd < 0:
            return None
        size = os.get_terminal_size(self._tty_fd)
        return size.lines, size.columns

    def describe(self) -> tuple[dict[str, Any], list[int]]:
        """Return a ``session`` message's fields and fds."""
        fields = {
            "type": "session",
            "session": self.number,
            "epoch": self.epoch,
            "tty": self.tty,
            "rows": self.size[0],
            "cols": self.size[1],
            "status": self.status,
            "again": self.again,
            "foreground": self.foreground,
            "on_disconnect": self.on_disconnect,
            "fds": list(self._named),
        }
        return fields, list(self._named.values())

    def close(self) -> None:
        """Close everything: nobody serves this session any more."""
        self.close_program_ends()
        written = self.stdio[1:] if self.stdio is not None else ()
        for fd in (*self._named.values(), *written, self._tty_fd):
            if fd >= 0:
                os.close(fd)
        self._named.clear()
        self._tty_fd = -1
        self.stdio = None


def open_session(process: dict[str, Any], *, stdin: bool, number: int = 0) -> Session:
    """Open what a session needs before its program is there; ``process`` is the spec's."""
    tty = bool(process.get("terminal"))
    session = Session(tty=tty, number=number)
    size: dict[str, int] = process.get("consoleSize") or {}
    session.size = (int(size.get("height", 24)), int(size.get("width", 80)))
    if tty:
        reading, writing = _open_pipe(os.O_NONBLOCK)
        session.hold("pipe_read", reading)
        session.hold("pipe_write", writing)
    else:
        _open_stdio(session, stdin=stdin)
    positions = os.memfd_create("ptyd-input", os.MFD_CLOEXEC)
    os.ftruncate(positions, INPUT_SIZE)
    session.hold("input", positions)
    return session


def _open_stdio(session: Session, *, stdin: bool) -> None:
    # O_NONBLOCK belongs to the open file, which the program would share: our reads go through
    # splice(2) with SPLICE_F_NONBLOCK instead, and our write end is a file of its own anyway.
    out_read, out_write = _open_pipe(0)
    err_read, err_write = _open_pipe(0)
    os.set_blocking(out_read, False)
    os.set_blocking(err_read, False)
    session.hold("stdout", out_read)
    session.hold("stderr", err_read)
    if stdin:
        in_read, in_write = _open_pipe(0)
        os.set_blocking(in_write, False)
        session.hold("stdin", in_write)
    else:
        in_read = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    session.stdin_read = in_read
    session.stdio = (in_read, out_write, err_write)


def _open_pipe(flags: int) -> tuple[int, int]:
    reading, writing = os.pipe2(flags | os.O_CLOEXEC)
    try:
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    except PermissionError:
        pass  # above the user's limit (pipe(7)); a smaller pipe is slower, not wrong
    return reading, writing
