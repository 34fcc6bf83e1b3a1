"""People: who is attached, who typed last, and, with one driver, whose turn it is.

Pure. Everybody is a number, given in the order of coming, which tells nothing else: what makes a
client the same one after a reconnect stays between it and the server.
"""

from __future__ import annotations

from typing import Any, Final

OWNER: Final = "owner"
CONTROL: Final = "control"
VIEW: Final = "view"
ROLES: Final = (VIEW, CONTROL, OWNER)
"""From the least to the most."""

LISTED: Final = 100
"""People in one list; a lecture hall is a number."""
NAME_LENGTH: Final = 32


class Person:
    """One attached client, as others see it."""

    def __init__(self, number: int, role: str, name: str) -> None:
        self.number = number
        self.role = role
        self.name = name or f"{'viewer' if role == VIEW else 'guest'}-{number}"
        self.asked = 0
        """When it asked to drive: after those with a smaller number; 0 if it does not."""


class People:
    """Everybody on one session."""

    def __init__(self, *, one_driver: bool) -> None:
        self.one_driver = one_driver
        self.driver: int | None = None
        self.typed: int | None = None
        self._people: dict[int, Person] = {}
        self._next = 1
        self._requests = 0

    def join(self, role: str, name: str) -> Person:
        """Add somebody; the first who may type drives."""
        person = Person(self._next, role, clean_name(name))
        self._next += 1
        self._people[person.number] = person
        if self.driver is None and role != VIEW:
            self.driver = person.number
        return person

    def by_role(self) -> dict[str, int]:
        """Return how many there are of each role."""
        count: dict[str, int] = dict.fromkeys(ROLES, 0)
        for person in self._people.values():
            count[person.role] += 1
        return count

    def leave(self, number: int) -> None:
        """Remove somebody; who asked first drives next, or whoever asks."""
        self._people.pop(number, None)
        if self.driver == number:
            asking = [person for person in self._people.values() if person.asked]
            first = min(asking, key=lambda person: person.asked, default=None)
            self._hand_to(first.number if first else None)

    def succeed(self, before: int, number: int) -> None:
        """A client is here anew, before its old connection is known to be dead: it goes on."""
        person, old = self._people[number], self._people.get(before)
        if old is None or person.role == VIEW:
            return
        person.asked, old.asked = old.asked, 0
        if self.driver == before:
            self._hand_to(number)

    def rename(self, number: int, name: str) -> None:
        person = self._people[number]
        person.name = clean_name(name) or person.name

    def may_type(self, number: int) -> bool:
        """Tell whether input of this client, no viewer, is for the program now.

        Nobody's turn is anybody's. Without turns the last words of one who has gone count, too.
        """
        if not self.one_driver:
            return True
        if number not in self._people:
            return False
        if self.driver is None:
            self._hand_to(number)
        return self.driver == number

    def is_turn_of(self, number: int) -> bool:
        """Tell whether it is this client's turn, or anybody's."""
        return not self.one_driver or self.driver in (None, number)

    def note_typing(self, number: int) -> bool:
        """Remember who typed last; return whether that is news."""
        news = self.typed != number
        self.typed = number
        return news

    def ask(self, number: int) -> bool:
        """Ask to drive; return whether that made it so. Owners need no permission."""
        person = self._people[number]
        if person.role == VIEW:
            return False
        if self.driver in (None, number) or person.role == OWNER:
            self._hand_to(number)
            return True
        if not person.asked:
            self._requests += 1
            person.asked = self._requests
        return False

    def grant(self, by: int, to: int) -> bool:
        """Hand the turn on; the driver's and the owners' to give."""
        person = self._people.get(to)
        allowed = by == self.driver or self._people[by].role == OWNER
        if person is None or person.role == VIEW or not allowed:
            return False
        self._hand_to(to)
        return True

    def _hand_to(self, number: int | None) -> None:
        self.driver = number
        if number is not None:
            self._people[number].asked = 0

    def __len__(self) -> int:
        return len(self._people)

    def describe(self) -> dict[str, Any]:
        """Return the fields of a ``clients`` event, but for who is told."""
        shown = list(self._people.values())[:LISTED]
        return {
            "event": "clients",
            "count": len(self._people),
            "one_driver": self.one_driver,
            "clients": [
                {
                    "id": person.number,
                    "name": person.name,
                    "role": person.role,
                    "typed": person.number == self.typed,
                    "driver": self.one_driver and person.number == self.driver,
                    "asks": person.asked > 0,
                }
                for person in shown
            ],
        }


def clean_name(name: str) -> str:
    """Return a name that can be shown anywhere: printable, short, without white space around it."""
    return "".join(char for char in name if char.isprintable())[:NAME_LENGTH].strip()
