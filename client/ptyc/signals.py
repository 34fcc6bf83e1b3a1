"""Signals as a descriptor to poll: signal.set_wakeup_fd, so no handler runs our code."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

_WATCHED: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGTSTP,
    signal.SIGCONT,
    signal.SIGWINCH,
)


class Signals:
    """Catches signals from construction to :meth:`close`, in the main thread."""

    def __init__(self) -> None:
        self._read_fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # A full pipe means that there is something to read: no warning is needed.
        self._wakeup_before = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        self._before = {
            number: signal.signal(number, _note)
            for number in _WATCHED
            # nohup(1) and shells' background jobs ignore these on purpose.
            if signal.getsignal(number) is not signal.SIG_IGN
        }

    def fileno(self) -> int:
        return self._read_fd

    def take(self) -> list[int]:
        """Return the numbers of the signals that came, in order, once each."""
        try:
            data = os.read(self._read_fd, 4096)
        except BlockingIOError:
            return []
        return list(dict.fromkeys(data))

    def close(self) -> None:
        """Bring back the handlers that were there."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read_fd)
        os.close(self._write_fd)


def _note(number: int, frame: FrameType | None) -> None:
    """Do nothing: the wake-up descriptor has the number by now."""
