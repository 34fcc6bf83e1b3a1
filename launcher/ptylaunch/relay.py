"""A container's terminal shown on our own, for commands that stay and have no console socket."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
from typing import TYPE_CHECKING, Final

from ptylaunch.init import exit_code

if TYPE_CHECKING:
    from types import FrameType

_CHUNK: Final = 1 << 16
_LAST: Final = 16
"""Chunks that are still read when the program has ended: more than a terminal can hold."""
_END: Final = b"\x04"
"""What types end-of-file (termios(3), VEOF)."""


def wait_for(pid: int, pty_fd: int | None) -> int:
    """Wait for our child ``pid`` and return its status; show its terminal meanwhile, if any.

    Ours is raw as long, and the container's takes its size. Standard input that is no terminal is
    typed, its end too.
    """
    if pty_fd is None:
        return exit_code(os.waitpid(pid, 0)[1])
    import termios  # only here, as tty below

    saved = _make_raw()
    wake_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    old_fd = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    signal.signal(signal.SIGWINCH, _note)
    try:
        fit(pty_fd)
        _Relay(pid, pty_fd, wake_fd).run()
        return exit_code(os.waitpid(pid, 0)[1])
    finally:
        signal.set_wakeup_fd(old_fd)
        os.close(wake_fd)
        os.close(write_fd)
        if saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)


class _Relay:
    """Both directions; input waits for a program that does not read, and does not stop output."""

    def __init__(self, pid: int, pty_fd: int, wake_fd: int) -> None:
        self._pid = pid
        self._pty_fd = pty_fd
        self._wake_fd = wake_fd
        self._typed = b""
        self._input_open = self._output_open = True

    def run(self) -> None:
        witness = os.pidfd_open(self._pid)
        try:
            while True:
                ready = self._wait(witness)
                if self._wake_fd in ready:
                    os.read(self._wake_fd, 64)
                    copy_size(self._pty_fd)
                if 0 in ready:
                    data = _read(0)
                    self._input_open = bool(data)
                    self._typed = data or _END
                if self._pty_fd in ready:
                    self._type()
                    self._output_open = self._show()
                if witness in ready:
                    for _ in range(_LAST):
                        self._output_open = self._output_open and self._show()
                    return
        finally:
            os.close(witness)

    def _wait(self, witness: int) -> set[int]:
        poll = select.poll()
        poll.register(witness, select.POLLIN)
        poll.register(self._wake_fd, select.POLLIN)
        if self._output_open:
            typing = select.POLLOUT if self._typed else 0
            poll.register(self._pty_fd, select.POLLIN | typing)
        if self._input_open and not self._typed:
            poll.register(0, select.POLLIN)
        return {fd for fd, _ in poll.poll()}

    def _type(self) -> None:
        try:
            if self._typed:
                self._typed = self._typed[os.write(self._pty_fd, self._typed) :]
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self._typed = b""

    def _show(self) -> bool:
        """Pass one chunk of output on; False when no more can come."""
        try:
            data = _read(self._pty_fd)
        except BlockingIOError:
            return True
        left = data
        while left:
            left = left[os.write(1, left) :]
        return bool(data)


def _read(fd: int) -> bytes:
    """Return what is there, nothing at the end: EIO is a terminal's (pty(7))."""
    try:
        return os.read(fd, _CHUNK)
    except OSError as error:
        if error.errno == errno.EIO:
            return b""
        raise


def copy_size(pty_fd: int) -> None:
    """Give a container's terminal the size of ours."""
    import termios

    try:
        size = fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))  # struct winsize
        fcntl.ioctl(pty_fd, termios.TIOCSWINSZ, size)
    except OSError:
        return  # no terminal: the container's keeps the size that the spec gave it


def _make_raw() -> list[int | list[bytes | int]] | None:
    """Put our terminal into raw mode, if it is one; return its settings."""
    import termios
    import tty

    try:
        saved = termios.tcgetattr(0)
    except termios.error:
        return None
    tty.setraw(0)
    return saved


def fit(pty_fd: int) -> None:
    """Make a container's terminal fit for being shown here: our size, and the end of a line.

    Where a pipe or a file gets to see it that is as the program wrote it, as with runc; a terminal
    wants a carriage return as well from the one that it shows (termios(3), ONLCR).
    """
    import termios

    copy_size(pty_fd)
    if not os.isatty(1):
        settings = termios.tcgetattr(pty_fd)
        settings[1] &= ~termios.ONLCR
        termios.tcsetattr(pty_fd, termios.TCSANOW, settings)


def _note(_number: int, _frame: FrameType | None) -> None:
    """Nothing: the wakeup fd has it."""
