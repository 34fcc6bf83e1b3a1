"""When to try again after a connection was lost, when to say that nothing comes, when to give up.

Pure: the caller reads the clock. Times are monotonic seconds.
"""

from __future__ import annotations

from typing import Final

FIRST: Final = 0.05
LONGEST: Final = 2.0
NOTICE: Final = 0.5
"""Seconds of silence before the user is told: a server that is replaced is back in 0.2, and so is
most often a program that is started again."""
GRACE: Final = 5.0
"""Seconds that nobody may listen on a container's own socket before the container is gone."""


class Reconnect:
    """``since`` is when the connection was lost, None while there is one.

    ``news`` are why nothing comes, ``told`` whether the user knows them.
    """

    def __init__(self) -> None:
        self.since: float | None = None
        self.retry_at: float | None = None
        self.news = ""
        self.told = False
        self._quiet_since: float | None = None
        self._delay = FIRST

    @property
    def notice_at(self) -> float | None:
        """When the user is to be told, None when that is done or needless."""
        return None if self._quiet_since is None or self.told else self._quiet_since + NOTICE

    def restarting(self, now: float, status: int) -> None:
        """The program has ended; the connection will, too, when the next one is there."""
        self._quiet_since = now
        self.news = f"the program ended with status {status}, restarting…"

    def lost(self, now: float) -> None:
        """The connection broke, or an attempt failed: plan the next."""
        if self.since is None:
            self.since = now
        if self._quiet_since is None:
            self._quiet_since, self.news = now, "connection lost, reconnecting…"
        self.retry_at = now + self._delay
        self._delay = min(2 * self._delay, LONGEST)

    def trying(self) -> None:
        """An attempt is under way."""
        self.retry_at = None

    def attached(self) -> None:
        """All is well."""
        self.since = self.retry_at = self._quiet_since = None
        self.told = False
        self._delay = FIRST

    def is_hopeless(self, now: float) -> bool:
        """Whether a socket on which nobody listened all the time can be given up."""
        return self.since is not None and now - self.since >= GRACE
