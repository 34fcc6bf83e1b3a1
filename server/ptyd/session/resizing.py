"""Resizing: from the windows of those who count to one size of the terminal, not too often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ptyd.session.sizes import Sizes

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ptywire.size import Size

PAUSE: Final = 0.05
"""Seconds between two changes: a window that is dragged asks for hundreds."""


class Resizing:
    """Applies what the policy chooses, the first change at once, the last one always."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        policy: str | Size,
        apply: Callable[[int, int], None],
    ) -> None:
        self._loop = loop
        self._sizes = Sizes(policy)
        self._apply = apply
        self._size: Size | None = None
        self._timer: asyncio.TimerHandle | None = None

    def join(self, client: int, *, active: int) -> None:
        """A client is here, not for the first time if it has been ``active``."""
        self._sizes.join(client, active=active)

    def activity(self, client: int) -> int:
        """Return when a client was active, in the order of everybody's activity."""
        return self._sizes.activity(client)

    def offer(self, client: int, rows: int, cols: int, *, owner: bool, active: bool) -> None:
        """A controller's window has this size; 0 by 0: it does not count any more.

        ``active``: somebody changed it, it is not just said.
        """
        self._sizes.offer(client, rows, cols, owner=owner)
        if active:
            self._sizes.touch(client)
        self._choose()

    def leave(self, client: int) -> int:
        """Forget a client; return when it was active, for when it comes back."""
        active = self._sizes.leave(client)
        self._choose()
        return active

    def touch(self, client: int) -> None:
        """The client typed: what it sees of the answer is to fit its window at once."""
        self._sizes.touch(client)
        self._choose(at_once=True)

    def set_policy(self, policy: str | Size) -> None:
        self._sizes.policy = policy
        self._choose()

    def _choose(self, *, at_once: bool = False) -> None:
        size = self._sizes.choose()
        if size is None or size == self._size:
            return
        if self._timer is not None:
            if not at_once:
                return
            self._timer.cancel()
        self._size = size
        self._apply(*size)
        self._timer = self._loop.call_later(PAUSE, self._on_pause)

    def _on_pause(self) -> None:
        self._timer = None
        self._choose()
