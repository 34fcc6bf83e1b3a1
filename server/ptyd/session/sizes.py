"""Sizes: whose window decides how large the terminal is.

Pure. A client that offers a size counts; viewers never offer one, and a controller may withdraw its
own. While nobody counts, the size stays what it was. Coming is no activity: the latest active is
who typed or changed its window last, and where nobody has, who came first.
"""

from __future__ import annotations

from typing import NamedTuple

from ptywire.size import Size, clamp


class _Offer(NamedTuple):
    size: Size
    owner: bool


class Sizes:
    """The offers of one session's clients, in the order of coming."""

    def __init__(self, policy: str | Size) -> None:
        self.policy = policy
        self._offers: dict[int, _Offer] = {}
        self._active: dict[int, int] = {}  # the larger the later; who is not here never was
        self._latest = 0

    def join(self, client: int, *, active: int) -> None:
        """Go on from what :meth:`leave` returned for an earlier connection, 0 for a stranger."""
        self._active[client] = active

    def activity(self, client: int) -> int:
        """Return when a client was active: after everybody with a smaller number."""
        return self._active.get(client, 0)

    def leave(self, client: int) -> int:
        """Forget a client; return when it was active, for when it comes back."""
        self._offers.pop(client, None)
        return self._active.pop(client, 0)

    def offer(self, client: int, rows: int, cols: int, *, owner: bool) -> None:
        """Count ``client`` with this window; nothing by nothing withdraws it."""
        if rows > 0 and cols > 0:
            self._offers[client] = _Offer(clamp(rows, cols), owner)
        else:
            self._offers.pop(client, None)

    def touch(self, client: int) -> None:
        """Note that ``client`` was active."""
        if client in self._active:
            self._latest += 1
            self._active[client] = self._latest

    def choose(self) -> Size | None:
        """Return the size that the policy asks for; None leaves it as it is."""
        if not isinstance(self.policy, str):
            return self.policy
        offers = {
            client: offer.size
            for client, offer in self._offers.items()
            if offer.owner or self.policy != "owner"
        }
        if not offers:
            return None
        rows, cols = zip(*offers.values(), strict=True)
        if self.policy == "smallest":
            return min(rows), min(cols)
        if self.policy == "largest":
            return max(rows), max(cols)
        # Of equals max() is the first: who came first.
        return offers[max(offers, key=self.activity)]
