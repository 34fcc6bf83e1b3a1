"""What becomes of a program when its last client vanishes: it goes on, or it is hung up.

Going on is the rule: clients own nothing. ``hup`` is what ssh does. A client that leaves on
purpose (the detach keys) has not vanished, and one that only lost its connection, or its server,
has GRACE seconds to come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

GRACE: Final = 10.0
"""Seconds: ptyc comes back in one or two when there is a server."""


class Parting:
    """Counts those who may type; viewers come and go as they like."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        policy: str,
        *,
        hang_up: Callable[[], None],
        keep: Callable[[], None],
    ) -> None:
        """``keep`` has it written down that nobody's vanishing matters any more."""
        self._loop = loop
        self._wary = policy == "hup"
        self._hang_up = hang_up
        self._keep = keep
        self._present = 0
        self._due: asyncio.TimerHandle | None = None
        self._wait()  # for whoever started it, or was there before this server

    def arrive(self) -> None:
        self._present += 1
        self._rest()

    def leave(self, *, on_purpose: bool) -> None:
        self._present -= 1
        if self._present:
            return
        if on_purpose and self._wary:
            self._wary = False
            self._keep()
        self._wait()

    def end(self) -> None:
        """The program has ended by itself."""
        self._wary = False
        self._rest()

    def _wait(self) -> None:
        if self._wary and self._due is None:
            self._due = self._loop.call_later(GRACE, self._on_due)

    def _rest(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _on_due(self) -> None:
        self._due = None
        self._hang_up()
