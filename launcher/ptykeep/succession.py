"""What follows an epoch: nothing, or the next one, and when."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ptykeep.order import Caller
    from ptykeep.restarts import Restarts

WRITTEN_WITHIN: Final = 10.0
"""Seconds that a server may take to write down what an epoch has printed; then it is replaced."""


class Succession:
    """The next epoch of one container: by its policy, or because its owner orders one."""

    def __init__(self, restarts: Restarts) -> None:
        self.restarts = restarts
        self.at: float | None = None
        """When it begins, in monotonic seconds; None while nothing is to follow."""
        self.is_written = False
        """Whether the journal has all of the last epoch: before that its pipes are needed."""
        self.foreground = False
        self._callers: list[Caller] = []
        self._ordered = False
        self._server_until: float | None = None

    @property
    def is_ordered(self) -> bool:
        """Whether an owner wants it, whatever the policy says."""
        return self._ordered

    def order(self, caller: Caller, *, foreground: bool = False) -> None:
        """Have one at the next opportunity; ``caller`` is told once it runs."""
        self._callers.append(caller)
        self._ordered = True
        self.foreground = foreground
        self.restarts.begin_anew()

    def begin(self) -> None:
        """An epoch runs."""
        self.at = None
        for caller in self._take_callers():
            caller.answer()
        self.is_written = False

    def follow(self, status: int, lasted: float) -> bool:
        """An epoch of ``lasted`` seconds has ended; return whether another follows."""
        pause = 0.0 if self._ordered else self.restarts.after(status, lasted)
        now = time.monotonic()
        self.at = None if pause is None else now + pause
        self._server_until = now + WRITTEN_WITHIN
        return pause is not None

    def hasten(self) -> None:
        """The last epoch is over: what is ordered need not wait for it."""
        self.at = time.monotonic()

    def give_up(self, why: str, exit_code: int = 1) -> None:
        """Nothing follows; who waits for it is told why."""
        self.at = None
        self.restarts.cancel()
        for caller in self._take_callers():
            caller.answer(why, exit_code)

    def _take_callers(self) -> list[Caller]:
        callers, self._callers = self._callers, []
        self._ordered = False
        return callers

    def is_due(self, now: float) -> bool:
        return self.at is not None and now >= self.at and self.is_written

    def deadline(self) -> float | None:
        """When :meth:`is_due` or :meth:`misses_server` may have become true."""
        if self.at is None:
            return None
        return self.at if self.is_written else self._server_until

    def misses_server(self, now: float) -> bool:
        """Tell, once an epoch, that a server should long have written all of it down."""
        late = self._server_until is not None and now >= self._server_until
        if self.at is None or self.is_written or not late:
            return False
        self._server_until = None
        return True
