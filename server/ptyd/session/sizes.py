"""Sizes: whose window decides how large the terminal is.

Pure. A client that offers a size counts; viewers never offer one, and a controller may withdraw its
own. While nobody counts, the size stays what it was.
"""

from __future__ import annotations

from typing import NamedTuple

from ptywire.size import Size, clamp


class _Offer(NamedTuple):
    size: Size
    owner: bool


class Sizes:
    """The offers of one session's clients, the latest active last."""

    def __init__(self, policy: str | Size) -> None:
        self.policy = policy
        self._offers: dict[int, _Offer] = {}

    def offer(self, client: int, rows: int, cols: int, *, owner: bool) -> None:
        """Count ``client`` with this window; nothing by nothing withdraws it."""
        self._offers.pop(client, None)
        if rows > 0 and cols > 0:
            self._offers[client] = _Offer(clamp(rows, cols), owner)

    def withdraw(self, client: int) -> None:
        """Forget a client that left, or does not want to count."""
        self._offers.pop(client, None)

    def touch(self, client: int) -> None:
        """Note that ``client`` was active."""
        if client in self._offers:
            self._offers[client] = self._offers.pop(client)

    def choose(self) -> Size | None:
        """Return the size that the policy asks for; None leaves it as it is."""
        if not isinstance(self.policy, str):
            return self.policy
        offers = [o.size for o in self._offers.values() if o.owner or self.policy != "owner"]
        if not offers:
            return None
        if self.policy == "smallest":
            return min(rows for rows, _ in offers), min(cols for _, cols in offers)
        if self.policy == "largest":
            return max(rows for rows, _ in offers), max(cols for _, cols in offers)
        return offers[-1]
