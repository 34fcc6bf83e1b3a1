"""Whether a program that has ended is started again, and how soon: docker's policies and pauses.

Pure: the caller reads the clock and starts things.
"""

from __future__ import annotations

from typing import Final

POLICIES: Final = ("no", "on-failure", "always", "unless-stopped")
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 60.0
LONG_LIFE: Final = 10.0
"""Seconds after which an end says nothing about the next one: the pauses begin anew."""


class Restarts:
    """The policy of one container, and how often it was applied."""

    def __init__(self, policy: str, most: int) -> None:
        """``most`` is how often ``on-failure`` is applied, 0 for ever."""
        self.count = 0
        self._policy = policy
        self._most = most
        self._pause = 0.0
        self._cancelled = False

    def change(self, policy: str, most: int) -> None:
        """Follow another policy from the next end on."""
        self._policy, self._most = policy, most

    def cancel(self) -> None:
        """Somebody has ended the program on purpose: no policy has it back."""
        self._cancelled = True

    def begin_anew(self) -> None:
        """Somebody has started it: what was before does not count."""
        self.count, self._pause, self._cancelled = 0, 0.0, False

    def after(self, status: int, lasted: float) -> float | None:
        """Return the pause after an epoch of ``lasted`` seconds; None when it was the last one."""
        if lasted >= LONG_LIFE:
            self._pause = 0.0
        self._pause = min(2 * self._pause, LONGEST_PAUSE) or FIRST_PAUSE
        if self._cancelled or not self._wants(status):
            return None
        self.count += 1
        return self._pause

    def _wants(self, status: int) -> bool:
        if self._policy == "on-failure":
            return status != 0 and (not self._most or self.count < self._most)
        # The two differ only in what a reboot of the host does, for which there is nobody here.
        return self._policy in ("always", "unless-stopped")
