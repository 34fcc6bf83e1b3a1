"""The user's side of an attachment: standard input, the terminal and its window."""

from __future__ import annotations

import errno
import os
import signal
import termios
from typing import TYPE_CHECKING, Final

from ptyc.fault import FAILED, Left
from ptyc.terminal import is_terminal, window_size
from ptyc.title import Title

if TYPE_CHECKING:
    from ptyc.modes import Modes
    from ptyc.sink import Sink
    from ptyc.terminal import Terminal
    from ptywire.message import Resize

STDIN: Final = 0
_CHUNK: Final = 1 << 16
_PATIENCE: Final = 0.2
"""Seconds that a stopped terminal is given to take the sequences that tidy it up."""
_HANGUP: Final = 128 + signal.SIGHUP


class User:
    """``terminal`` when standard input is one, ``modes`` when standard output ``out`` is one."""

    def __init__(
        self, terminal: Terminal | None, out: Sink, modes: Modes | None, *, reads: bool
    ) -> None:
        self.terminal, self.modes = terminal, modes
        self.title = Title(os.environ.get("TERM", "") if modes is not None else "")
        self.stdin_open = reads and _is_open(STDIN)
        self._out = out

    @property
    def is_raw(self) -> bool:
        return self.terminal is not None and self.terminal.is_raw

    @property
    def key_encoding(self) -> str:
        return "plain" if self.modes is None else self.modes.key_encoding

    def window(self) -> Resize | None:
        return window_size((1, STDIN))

    def read(self) -> bytes:
        """Return typed bytes, b"" once at the end. Call after poll(2). Raise Left."""
        try:
            data = os.read(STDIN, _CHUNK)
        except OSError as error:
            if error.errno != errno.EIO:
                raise Left(FAILED, f"cannot read standard input: {error.strerror}") from error
            data = b""
        if not data:
            if self.is_raw:
                raise Left(_HANGUP)  # a raw terminal has no ^D: it ends by hanging up
            self.stdin_open = False
        return data

    def make_raw(self) -> None:
        """Switch to raw if there is a terminal, or again after a stop. Raise Left."""
        if self.terminal is None:
            return
        try:
            self.terminal.make_raw()
        except termios.error as error:
            raise Left(_HANGUP) from error

    def stop(self) -> None:
        """Stop as the user wants, with the terminal as the shell wants it."""
        self.restore()
        # Not SIGTSTP: the kernel drops that in an orphaned process group (signal(7)).
        os.kill(os.getpid(), signal.SIGSTOP)

    def go_on(self) -> None:
        """Be raw again after :meth:`stop`, with the modes that the program had set."""
        self.make_raw()
        if self.modes is not None and self.is_raw:
            self._tell(self.title.come_back() + self.modes.on())

    def restore(self) -> None:
        """Leave the terminal as it was found: idempotent, on every way out."""
        if self.modes is not None:
            self._tell(self.modes.off() + self.title.leave())
        if self.terminal is not None:
            self.terminal.restore()

    def _tell(self, data: bytes) -> None:
        try:
            self._out.write_all(data, _PATIENCE)
        except OSError:
            pass  # hung up: nobody to tell


def _is_open(fd: int) -> bool:
    if is_terminal(fd):
        return True
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
