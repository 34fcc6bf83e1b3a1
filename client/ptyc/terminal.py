"""The user's terminal: raw while attached, put back on every way out.

Raw is what cfmakeraw(3) makes, so every key is a byte for the program. A terminal that belongs to
another process group is left alone: its modes are then the shell's, not ours.
"""

from __future__ import annotations

import errno
import os
import signal
import termios
from typing import TYPE_CHECKING, Any, Final

from ptywire.message import Resize

if TYPE_CHECKING:
    from collections.abc import Iterable

_IFLAG, _OFLAG, _CFLAG, _LFLAG, _CC = 0, 1, 2, 3, 6
_IFLAG_OFF: Final = (
    termios.IGNBRK
    | termios.BRKINT
    | termios.PARMRK
    | termios.ISTRIP
    | termios.INLCR
    | termios.IGNCR
    | termios.ICRNL
    | termios.IXON
)
_LFLAG_OFF: Final = termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN


class Terminal:
    """The terminal at ``fd``, which is usually standard input."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._saved: list[Any] | None = None

    @property
    def is_raw(self) -> bool:
        return self._saved is not None

    def make_raw(self) -> None:
        """Switch to raw, or to raw again after a stop; typed-ahead bytes are kept.

        In the background the kernel stops us here (SIGTTOU) until we are in the foreground.
        Raise termios.error when the terminal is gone.
        """
        if self._saved is None:
            self._saved = termios.tcgetattr(self.fd)
        while True:
            try:
                termios.tcsetattr(self.fd, termios.TCSANOW, _raw(self._saved))
            except termios.error as error:
                if error.args[0] != errno.EINTR:  # which is how that stop ends
                    raise
            else:
                return

    def restore(self) -> None:
        """Put the modes back that :meth:`make_raw` found; unread typing is dropped (TCSAFLUSH)."""
        saved, self._saved = self._saved, None
        if saved is None or not _is_ours(self.fd):
            return
        # Ours a moment ago, but the shell may be faster: do not be stopped half way.
        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        try:
            termios.tcsetattr(self.fd, termios.TCSAFLUSH, saved)
        except termios.error:
            pass  # hung up: there is nothing left to restore
        finally:
            signal.signal(signal.SIGTTOU, before)


def window_size(fds: Iterable[int]) -> Resize | None:
    """Return the size of the first of ``fds`` that is a terminal with a size."""
    for fd in fds:
        try:
            cols, rows = os.get_terminal_size(fd)
        except OSError:
            continue
        if rows and cols:  # 0x0 is what a terminal has before anybody sized it
            return Resize(rows, cols)
    return None


def is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False


def _raw(attributes: list[Any]) -> list[Any]:
    """cfmakeraw(3), with the VMIN and VTIME that glibc sets too."""
    raw = attributes.copy()
    raw[_IFLAG] &= ~_IFLAG_OFF
    raw[_OFLAG] &= ~termios.OPOST
    raw[_LFLAG] &= ~_LFLAG_OFF
    raw[_CFLAG] = raw[_CFLAG] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    raw[_CC] = raw[_CC].copy()
    raw[_CC][termios.VMIN] = 1
    raw[_CC][termios.VTIME] = 0
    return raw


def _is_ours(fd: int) -> bool:
    """Whether we are in the foreground of ``fd``, or it is nobody's controlling terminal."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return True  # ENOTTY: not our controlling terminal, so no shell of ours holds it
