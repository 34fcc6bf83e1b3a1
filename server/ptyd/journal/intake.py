"""Intake: from the program's terminal or pipes into the journal, with no byte in nobody's hands.

``read`` then ``write`` has a window in which bytes exist only in this process. So they never do:
splice(2) moves them from the terminal into a pipe that the keeper holds too, and from there into
the segment. A new server first drains the pipe. Where kernel or file system cannot splice (Linux
 5.10.0, some network file systems), bytes are copied, and ``inspect`` says so.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import termios
from typing import TYPE_CHECKING, Final, TypeAlias

from ptyd.journal.index import STDERR, STDOUT, TERMINAL

if TYPE_CHECKING:
    from ptyd.journal.journal import Journal

BATCH: Final = 64 << 10
"""Bytes gathered before one append: 0.9 of the ceiling; one append a splice gives 0.3."""

_NONBLOCK: Final = os.SPLICE_F_NONBLOCK


class TerminalIntake:
    """Reads a PTY.

    ``pty_fd`` is O_NONBLOCK and every splice has SPLICE_F_NONBLOCK: else a full pipe blocks
    for ever.
    """

    def __init__(self, journal: Journal, pty_fd: int, pipe_r: int, pipe_w: int) -> None:
        self.fd = pty_fd
        self._journal = journal
        self._pipe_r, self._pipe_w = pipe_r, pipe_w
        self._in_pipe = queued(pipe_r)

    def gather(self) -> int:
        """Move what is there, up to BATCH bytes, into the journal; return how many.

        Raises Full when the disk is: what was taken from the terminal waits in the pipe.
        """
        splice, pty, pipe = os.splice, self.fd, self._pipe_w
        try:
            while self._in_pipe < BATCH:
                self._in_pipe += splice(pty, pipe, BATCH - self._in_pipe, None, None, _NONBLOCK)
        except BlockingIOError:
            pass  # the terminal is empty, or the pipe has no slot left: both end in the drain
        except OSError as error:
            if error.errno != errno.EIO:  # EIO: nobody has the terminal open
                raise
        # Not "if something came": after a full disk the pipe may be full and nothing can come.
        if not self._in_pipe:
            return 0
        self._journal.label(TERMINAL)
        moved = 0
        while self._in_pipe:
            count = self._journal.splice_from(self._pipe_r, self._in_pipe)
            self._in_pipe -= count
            moved += count
        return moved


class PipeIntake:
    """Reads the program's stdout or stderr: its own pipe is the one that bytes wait in."""

    def __init__(self, journal: Journal, fd: int, kind: int) -> None:
        self.fd = fd
        self._journal = journal
        self._kind = kind

    def gather(self) -> int:
        """As :meth:`TerminalIntake.gather`."""
        available = queued(self.fd)
        if not available:
            return 0
        self._journal.label(self._kind)
        try:
            return self._journal.splice_from(self.fd, min(available, BATCH))
        except BlockingIOError:
            return 0  # the program has read its own output through /proc/self/fd


class CopyIntake:
    """Reads a terminal or a pipe without splice: a kill may lose what one read returned."""

    def __init__(self, journal: Journal, fd: int, kind: int) -> None:
        self.fd = fd
        self._journal = journal
        self._kind = kind
        self._held = b""

    def gather(self) -> int:
        """As :meth:`TerminalIntake.gather`, but each read is written at once."""
        if not self._held:
            try:
                self._held = os.read(self.fd, BATCH)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EIO):
                    raise
                return 0
        self._journal.label(self._kind)
        moved = 0
        while self._held:  # all of it, or Full: nothing else would bring us back for the rest
            count = self._journal.append(self._held)
            self._held = self._held[count:]
            moved += count
        return moved


Intake: TypeAlias = TerminalIntake | PipeIntake | CopyIntake


def queued(pipe_fd: int) -> int:
    """Return how many bytes wait in a pipe (FIONREAD)."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe_fd, termios.FIONREAD, count)
    return count[0]


def open_intakes(journal: Journal, fds: dict[str, int], *, spliced: bool) -> list[Intake]:
    """Return the intakes of a session, by the names of the keeper's protocol."""
    if "pty" in fds:
        if spliced:
            return [TerminalIntake(journal, fds["pty"], fds["pipe_read"], fds["pipe_write"])]
        return [CopyIntake(journal, fds["pty"], TERMINAL)]
    reader = PipeIntake if spliced else CopyIntake
    return [reader(journal, fds["stdout"], STDOUT), reader(journal, fds["stderr"], STDERR)]


def can_splice(folder: str) -> bool:
    """Try the whole path on a terminal of our own and a file in the journal's folder (pty(7))."""
    opened: list[int] = []
    probe = f"{folder}/.splice"
    try:
        pty_fd, tty_fd = os.openpty()
        opened += [pty_fd, tty_fd]
        pipe_r, pipe_w = os.pipe()
        opened += [pipe_r, pipe_w]
        file = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        opened.append(file)
        os.write(tty_fd, b"?")
        moved = os.splice(pty_fd, pipe_w, 1)
        moved += os.splice(pipe_r, file, 1, offset_dst=0)
    except OSError as error:
        # A full disk says nothing about splice.
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    finally:
        for fd in opened:
            os.close(fd)
        if os.path.exists(probe):
            os.unlink(probe)
    return moved == 2
