"""Signals that are the program's: kept until there is somebody to send them to.

Pure: the caller reads the clock and sends. Times are monotonic seconds.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

from ptyc.fault import Left
from ptywire import message as wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from ptyc.hello import Hello

_FORCE_COUNT: Final = 3
_FORCE_WITHIN: Final = 2.0
"""So many interrupts within so many seconds end ptyc itself, as docker's client has it."""


class Proxy:
    """``earlier`` returns the signals that came before ours were caught."""

    def __init__(self, earlier: Callable[[], list[int]] = list) -> None:
        self.earlier = earlier
        self.waiting: list[int] = []
        """Numbers that the program has not been sent."""
        self._interrupts: list[float] = []

    def wants(self, number: int, hello: Hello | None, *, tty: bool | None) -> bool:
        """Tell whether a signal is for the program, of which the caller knows ``tty``, or nothing.

        Who knows it has just started it: what interrupts us is meant for it. Of a terminal that is
        only ctrl-c, and only until that is raw.
        """
        if number == signal.SIGQUIT:
            return False
        if hello is None:
            return tty is False or (tty is True and number == signal.SIGINT)
        return not hello.tty and hello.role != "view"

    def add(self, number: int, now: float) -> None:
        """Keep one for the program. Raise Left when the user insists."""
        if number not in self.waiting:
            self.waiting.append(number)
        if number == signal.SIGHUP:
            return
        self._interrupts = [at for at in self._interrupts if now - at < _FORCE_WITHIN] + [now]
        if len(self._interrupts) >= _FORCE_COUNT:
            raise Left(128 + number)

    def take(self) -> list[bytes]:
        """Return the messages for a server that is there now."""
        numbers, self.waiting = self.waiting, []
        names = (signal.Signals(number).name.removeprefix("SIG") for number in numbers)
        return [wire.encode(wire.Signal(name)) for name in names]
