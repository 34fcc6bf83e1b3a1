"""When to try again after a connection was lost, when to say so, and when to give up.

Pure: the caller reads the clock. Times are monotonic seconds.
"""

from __future__ import annotations

from typing import Final

FIRST: Final = 0.05
LONGEST: Final = 2.0
NOTICE: Final = 0.5
"""Seconds of silence before the user is told: a server that is replaced is back in 0.2."""
GRACE: Final = 5.0
"""Seconds that nobody may listen on a container's own socket before the container is gone."""


class Reconnect:
    """``since`` is when the connection was lost, None while there is one."""

    def __init__(self) -> None:
        self.since: float | None = None
        self.retry_at: float | None = None
        self.told = False
        self._delay = FIRST

    @property
    def notice_at(self) -> float | None:
        """When the user is to be told, None when that is done or needless."""
        return None if self.since is None or self.told else self.since + NOTICE

    def lost(self, now: float) -> None:
        """The connection broke, or an attempt failed: plan the next."""
        if self.since is None:
            self.since = now
        self.retry_at = now + self._delay
        self._delay = min(2 * self._delay, LONGEST)

    def trying(self) -> None:
        """An attempt is under way."""
        self.retry_at = None

    def attached(self) -> None:
        """All is well."""
        self.since = self.retry_at = None
        self.told = False
        self._delay = FIRST

    def is_hopeless(self, now: float) -> bool:
        """Whether a socket on which nobody listened all the time can be given up."""
        return self.since is not None and now - self.since >= GRACE
