"""Signals while a container is being made: they end the command and leave nothing of it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import FrameType

_WATCHED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal came; as KeyboardInterrupt, it is no error that anybody handles in passing."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interruption:
    """Catches signals within a ``with`` block, in the main thread.

    The first raises :class:`Interrupted` wherever the program is, until :meth:`hold`; from there on
    it makes :meth:`fileno` readable and :meth:`check` raise, where the caller can clean up. Whoever
    catches signals next gets from :meth:`take` those that came before.
    """

    def __init__(self) -> None:
        self._number = 0
        self._held = False

    def __enter__(self) -> Self:
        self._read_fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup_before = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        self._before = {
            number: signal.signal(number, self._note)
            for number in _WATCHED
            # nohup(1) and shells' background jobs ignore these on purpose.
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read_fd)
        os.close(self._write_fd)

    def fileno(self) -> int:
        return self._read_fd

    def hold(self) -> None:
        """Raise only in :meth:`check` from here on."""
        self._held = True

    def check(self) -> None:
        if self._number:
            raise Interrupted(self._number)

    def take(self) -> list[int]:
        """Return the numbers of the signals that came since the last call, in order."""
        try:
            return list(os.read(self._read_fd, 4096))
        except BlockingIOError:
            return []

    def _note(self, number: int, _frame: FrameType | None) -> None:
        again, self._number = bool(self._number), number
        if not (again or self._held):
            raise Interrupted(number)
