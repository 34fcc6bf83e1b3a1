"""Answering: which terminal answers which of the program's queries. Each is answered once.

A query belongs to whoever was elected when it was printed; 0 is the screen, which answers while
nobody can. Everybody else gets the output without it. Pure: offsets in, offsets out.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from ptyd.session.queries import find_queries

SCREEN: Final = 0
KEPT: Final = 4096
NOTHING: Final = b"\x1b\\"
"""What stands for a query that was taken out: it ends a string that was open, as the query's own
first byte did, and else is ignored (ST, ECMA-48)."""


class Query(NamedTuple):
    """Journal bytes ``start`` to ``end``, to be answered by client ``number``."""

    start: int
    end: int
    number: int


class Answering:
    """The queries of one session, and the election."""

    def __init__(self, offset: int) -> None:
        self.settled = offset
        """Output is shown up to here: no byte before this is held back."""
        self.scanned = offset
        """The search goes on from here: a beginning that was not held for longer is still one."""
        self._queries: deque[Query] = deque(maxlen=KEPT)
        self._able: dict[int, None] = {}  # in the order of activity, the latest last

    @property
    def answerer(self) -> int:
        """The elected client: the latest active of those who can; 0 when nobody can."""
        return next(reversed(self._able), SCREEN)

    def join(self, number: int) -> None:
        self._able[number] = None

    def leave(self, number: int) -> None:
        self._able.pop(number, None)

    def touch(self, number: int) -> None:
        if number in self._able:
            del self._able[number]
            self._able[number] = None

    def scan(self, data: bytes) -> list[Query]:
        """Take output from ``scanned`` on, all of it; return the queries that are new."""
        spans, until = find_queries(data)
        found = [
            Query(self.scanned + start, self.scanned + end, self.answerer) for start, end in spans
        ]
        self._queries += found
        self.scanned += until
        self.settled = max(self.settled, self.scanned)
        return found

    def foreign(self, start: int, end: int, number: int) -> list[Query]:
        """Return the queries in a range that are not for client ``number`` to see."""
        if not self._queries or self._queries[-1].end <= start:
            return []
        return [q for q in self._queries if q.number != number and q.start < end and q.end > start]


def take_out(data: bytes, start: int, queries: list[Query]) -> bytes:
    """Return ``data``, which begins at offset ``start``, without ``queries``."""
    out = bytearray()
    at = 0
    for query in queries:
        out += data[at : max(at, query.start - start)]
        out += NOTHING
        at = max(at, min(len(data), query.end - start))
    return bytes(out + data[at:])
