"""Who else is on the session: what changed, in words, and whose turn it is.

Pure. The server's ``clients`` events come in; lines for the user come out.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast

from ptyc.fault import printable
from ptyc.hello import number

_NAMED: Final = 2
"""People who are named in one line; of more their number is said."""
_NAME_LENGTH: Final = 32


class Client(NamedTuple):
    """One of those who are here."""

    id: int
    name: str
    role: str
    typed: bool
    driver: bool
    asks: bool


class Company:
    """``me`` is our own number."""

    def __init__(self) -> None:
        self.me = 0
        self.one_driver = False
        self.count = 0
        self.clients: dict[int, Client] = {}
        self.asking: list[Client] = []
        """Who asks to drive, the first who asked first."""
        self._known = False

    @property
    def driver(self) -> Client | None:
        return next((each for each in self.clients.values() if each.driver), None)

    @property
    def is_driven_by_another(self) -> bool:
        """Whether what we type is dropped. Where nobody drives, who types does."""
        driver = self.driver
        return self.one_driver and driver is not None and driver.id != self.me

    @property
    def may_grant(self) -> bool:
        mine = self.clients.get(self.me)
        return self.one_driver and mine is not None and (mine.driver or mine.role == "owner")

    def begin(self, me: int) -> None:
        """A connection begins: we have this number, and the next list is no news."""
        self.me = me
        self._known = False

    def take(self, fields: dict[str, Any], *, quiet: bool = False) -> list[str]:
        """Take a ``clients`` event; return what is new. ``quiet``: who comes and goes is not."""
        before, had_driver = self.clients, self.driver
        asked = self.asking
        self.clients = {each.id: each for each in _parse(fields.get("clients"))}
        self.count = max(number(fields, "count"), len(self.clients))
        self.one_driver = fields.get("one_driver") is True
        asking = [each for each in self.clients.values() if each.asks and each.id != self.me]
        place = {each.id: index for index, each in enumerate(asked)}
        self.asking = sorted(asking, key=lambda each: place.get(each.id, len(place)))
        news: list[str] = []
        if self._known and not quiet and self.count == len(self.clients):
            news += self._moves(before)
        driver = self.driver
        changed = driver is not None and (had_driver is None or driver.id != had_driver.id)
        if driver is not None and self.one_driver and (changed or not self._known):
            if driver.id != self.me:
                news.append(f"{driver.name} drives")
            elif self._known:
                news.append("you drive")
        self._known = True
        return news

    def newly_asking(self, before: list[Client]) -> list[Client]:
        """Return who asks now and is not in ``before``."""
        known = {each.id for each in before}
        return [each for each in self.asking if each.id not in known]

    def lines(self) -> list[str]:
        """Return who is here, one a line."""
        lines = [self._describe(each) for each in self.clients.values()]
        more = self.count - len(self.clients)
        return [*lines, f"and {more} more"] if more else lines

    def _describe(self, each: Client) -> str:
        words = [each.role]
        words += ["you"] * (each.id == self.me)
        words += ["drives"] * (each.driver and self.one_driver)
        words += ["asks to drive"] * each.asks
        words += ["typed last"] * each.typed
        return f"{each.name} ({', '.join(words)})"

    def _moves(self, before: dict[int, Client]) -> list[str]:
        came = [each.name for each in self.clients.values() if each.id not in before]
        left = [each.name for each in before.values() if each.id not in self.clients]
        for name in [*came]:
            if name in left:  # a connection that was lost and made again
                came.remove(name)
                left.remove(name)
        return [
            f"{_enumerate(names)} {verb}"
            for names, verb in ((came, "came"), (left, "left"))
            if names
        ]


def _enumerate(names: list[str]) -> str:
    shown, more = names[:_NAMED], len(names) - _NAMED
    return f"{', '.join(shown)} and {more} more" if more > 0 else " and ".join(shown)


def _parse(listed: object) -> list[Client]:
    """Return the clients in an event; entries that are none are left out."""
    if not isinstance(listed, list):
        return []
    clients: list[Client] = []
    for entry in cast("list[object]", listed):
        if not isinstance(entry, dict):
            continue
        fields = cast("dict[str, Any]", entry)
        clients.append(
            Client(
                number(fields, "id"),
                printable(str(fields.get("name", "")), _NAME_LENGTH) or "?",
                printable(str(fields.get("role", "")), _NAME_LENGTH) or "?",
                typed=fields.get("typed") is True,
                driver=fields.get("driver") is True,
                asks=fields.get("asks") is True,
            )
        )
    return clients
