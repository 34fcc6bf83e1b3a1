"""A reader: a place in the journal, and a push to go on from it."""

from __future__ import annotations

from typing import Any, Protocol


class Reader(Protocol):
    """Somebody who reads the journal: a place, and a push to go on from it."""

    cursor: int
    number: int
    hold: bool
    framed: bool
    waits: bool
    """Its socket or its window is full: it comes back by itself, and is not asked till then."""

    @property
    def rendered(self) -> int:
        """The offset up to which it has arrived for certain: a holder holds the program by this."""
        ...

    def push(self) -> None:
        """Send what is new, as far as it goes without waiting."""

    def tell(self, fields: dict[str, Any]) -> None:
        """Send an event that has no place in the journal."""

    def tell_frame(self, frame: bytes) -> None:
        """As :meth:`tell`, one that is encoded for all."""


class Expected:
    """A holder that is on its way: the program is held as if it were there, at ``start``."""

    number = 0
    hold = True
    framed = False
    waits = False

    def __init__(self, start: int) -> None:
        self.cursor = self.rendered = start

    def push(self) -> None:
        """Take nothing."""

    def tell(self, fields: dict[str, Any]) -> None:
        """Listen to nothing."""

    def tell_frame(self, frame: bytes) -> None:
        """Listen to nothing."""
