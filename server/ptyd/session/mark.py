"""Marks: what happened at an offset of the journal, told to each reader when it gets there."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final, NamedTuple

from ptyd.journal.index import EXIT, RESIZE, Record

KEPT: Final = 4096


class Mark(NamedTuple):
    """An event at ``offset``; ``number`` counts them, so that a reader knows what it has had."""

    number: int
    offset: int
    fields: dict[str, Any]

    @property
    def is_exit(self) -> bool:
        return bool(self.fields["event"] == "exited")

    def told(self, *, again: bool) -> dict[str, Any]:
        """Return its event, with ``again`` for a session whose next epoch is to follow."""
        return {**self.fields, "event": "restarting"} if again and self.is_exit else self.fields


class Marks:
    """The marks of one epoch, oldest first."""

    def __init__(self) -> None:
        self._marks: list[Mark] = []
        self._next: int = 0

    def add(self, record: Record) -> None:
        """Take a RESIZE or EXIT record; others are no marks."""
        fields: dict[str, Any]
        if record.kind == RESIZE:
            fields = {"event": "resized", "rows": record.a, "cols": record.b}
        elif record.kind == EXIT:
            fields = {"event": "exited", "status": record.a}
        else:
            return
        self._marks.append(Mark(self._next, record.offset, {**fields, "end": record.offset}))
        self._next += 1
        if len(self._marks) > KEPT:
            self._marks.pop(0)

    def next_after(self, number: int) -> Mark | None:
        """Return the first mark numbered ``number`` or later."""
        if number >= self._next:
            return None
        return self._marks[max(0, number - self._marks[0].number)]

    def resized_since(self, offset: int) -> bool:
        """Tell whether the size changed after ``offset``: what is shown then is no use now."""
        first = self.number_at(offset + 1)
        return any(mark.fields["event"] == "resized" for mark in self._marks_from(first))

    def _marks_from(self, number: int) -> list[Mark]:
        return self._marks[number - self._marks[0].number :] if self._marks else []

    def size_between(self, number: int, end: int) -> Mark | None:
        """Return the last change of size from ``number`` to before ``end``."""
        marks = (mark for mark in reversed(self._marks) if number <= mark.number < end)
        return next((mark for mark in marks if mark.fields["event"] == "resized"), None)

    def number_at(self, offset: int) -> int:
        """Return the number of the first mark at ``offset`` or later: where a new reader starts."""
        if not self._marks:
            return self._next
        index = bisect_left(self._marks, offset, key=lambda mark: mark.offset)
        return self._marks[0].number + index
