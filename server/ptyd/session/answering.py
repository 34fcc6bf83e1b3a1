"""Answering: which terminal answers which of the program's queries. Each is answered once.

A query belongs to whoever was elected when it was printed; 0 is the screen, which answers while
nobody can. Everybody else gets the output without it. It stays *open* until its owner's reply has
come, or its owner has shown it for so long that no reply will. An owner that was not sent it, or is
gone, has *given it up*: then it is the screen's, and a reply that comes all the same is dropped.
Pure: offsets, bytes and times in, offsets and bytes out.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from ptyd.session.kind import kind_of_query, kind_of_reply
from ptyd.session.queries import find_queries

SCREEN: Final = 0
KEPT: Final = 4096
OPEN: Final = 1024
"""Queries that may wait for their reply; a program that asks for more is not answered to more."""
SPENT: Final = 64
"""Clients, gone or not, of whom a reply too many may come."""
REPLY_WITHIN: Final = 5.0
"""Seconds in which a terminal answers, at the end of whatever line."""
NOTHING: Final = b"\x1b\\"
"""What stands for a query that was taken out: it ends a string that was open, as the query's own
first byte did, and else is ignored (ST, ECMA-48)."""


@dataclass(slots=True)
class Query:
    """Journal bytes ``start`` to ``end``, to be answered by client ``number``."""

    start: int
    end: int
    number: int
    kind: bytes
    reply: bytes | None = None
    """What the screen says to it, in case it is asked."""
    due: float = math.inf
    """When its terminal has had time enough to answer."""


@dataclass(slots=True)
class _Spent:
    """A reply that may still come from a client, to a query that it has given up."""

    kind: bytes
    until: float


class Answering:
    """The queries of one session, and the election."""

    def __init__(self, offset: int) -> None:
        self.settled = offset
        """Output is shown up to here: no byte before this is held back."""
        self.scanned = offset
        """The search goes on from here: a beginning that was not held for longer is still one."""
        self.drives: int | None = None
        """Where one drives its terminal answers, or the screen; None where there are no turns."""
        self._queries: deque[Query] = deque(maxlen=KEPT)
        self._open: deque[Query] = deque(maxlen=OPEN)
        self._able: dict[int, None] = {}  # in the order of coming, the latest last
        self._active: dict[int, None] = {}  # who typed, the latest last; hidden ones as well
        self._spent: dict[bytes, list[_Spent]] = {}
        self._asked_at = -math.inf

    # The election

    @property
    def answerer(self) -> int:
        """The elected client: of those who can, who drives, typed last or came last; or 0."""
        if self.drives is not None:
            return self.drives if self.drives in self._able else SCREEN
        active = (number for number in reversed(self._active) if number in self._able)
        return next(active, next(reversed(self._able), SCREEN))

    def join(self, number: int) -> None:
        """A client's terminal can answer from here on."""
        self._able[number] = None

    def withdraw(self, number: int) -> None:
        """It cannot, from here on: what it was asked it may still answer."""
        self._able.pop(number, None)

    def leave(self, number: int) -> None:
        self.withdraw(number)
        self._active.pop(number, None)

    def touch(self, number: int) -> None:
        """The client typed."""
        self._active.pop(number, None)
        self._active[number] = None

    # Queries

    def scan(self, data: bytes, now: float = 0.0) -> list[Query]:
        """Take output from ``scanned`` on, all of it; return the queries that are new."""
        spans, until = find_queries(data)
        start, number = self.scanned, self.answerer
        found = [Query(start + a, start + b, number, kind_of_query(data[a:b])) for a, b in spans]
        self._queries += found
        self._open += found
        self.scanned += until
        self.settled = max(self.settled, self.scanned)
        if found:
            self._asked_at = now
        return found

    def foreign(self, start: int, end: int, number: int) -> list[Query]:
        """Return the queries in a range that are not for client ``number`` to see."""
        if not self._queries or self._queries[-1].end <= start:
            return []
        return [q for q in self._queries if q.number != number and q.start < end and q.end > start]

    # Replies of clients

    def owes(self, number: int, now: float) -> bool:
        """Tell whether a reply of client ``number`` is still to come."""
        self._expire(now)
        return number != SCREEN and any(query.number == number for query in self._open)

    def _expire(self, now: float) -> None:
        for query in [query for query in self._open if query.due <= now]:
            self._close(query)  # its terminal does not know it

    def rendered(self, number: int, offset: int, now: float) -> None:
        """Client ``number`` has shown everything before ``offset``: now it answers or never."""
        for query in self._open:
            if query.number == number and query.end <= offset and query.due == math.inf:
                query.due = now + REPLY_WITHIN

    def is_plain(self, number: int, client: bytes, now: float) -> bool:
        """Tell whether all that a client types is passed on: no reply is looked for in it.

        Long after the last query what looks like a reply can only be typing, or binary data.
        """
        if self._expected(client, now) or self.owes(number, now):
            return False
        elected = number != SCREEN and self.answerer == number
        return elected or now - self._asked_at > REPLY_WITHIN

    def keeps(self, number: int, client: bytes, reply: bytes, now: float) -> bool:
        """Tell whether a reply is passed on to the program, and take note of it."""
        kind = kind_of_reply(reply)
        if self._was_spent(client, kind, now):
            return False
        if self.owes(number, now):
            asked = (q for q in self._open if q.number == number and q.kind == kind)
            if (query := next(asked, None)) is not None:
                self._close(query)
                return True
        elected = number != SCREEN and self.answerer == number  # to what we take for no query
        return elected or now - self._asked_at > REPLY_WITHIN

    def _expected(self, client: bytes, now: float) -> list[_Spent]:
        """Return the replies too many that may come from a client."""
        spent = self._spent.get(client)
        if spent is None:
            return []
        spent[:] = [each for each in spent if each.until > now]
        if not spent:
            del self._spent[client]
        return spent

    def _was_spent(self, client: bytes, kind: bytes, now: float) -> bool:
        spent = self._expected(client, now)
        for each in spent:
            if each.kind == kind:
                spent.remove(each)
                return True
        return False

    # What a client does not answer

    def give_up(
        self, number: int, client: bytes, now: float, *, after: int, until: int | None, sent: int
    ) -> list[Query]:
        """Hand the open queries of a client that end in ``(after, until]`` to the screen.

        Those that end at ``sent`` or before may have reached its terminal: of two replies the
        screen's counts. ``until`` None: all that end behind ``after``.
        """
        self._expire(now)
        given = [
            query
            for query in self._open
            if query.number == number
            and query.end > after
            and (until is None or query.end <= until)
        ]
        for query in given:
            query.number = SCREEN
            query.due = math.inf
            if query.end <= sent:
                if client not in self._spent and len(self._spent) >= SPENT:
                    del self._spent[next(iter(self._spent))]
                entry = _Spent(query.kind, now + REPLY_WITHIN)
                self._spent.setdefault(client, []).append(entry)
        return given

    def come_back(self, client: bytes, now: float) -> None:
        """A client that was gone is here: what it kept for us comes now."""
        for each in self._spent.get(client, []):
            each.until = now + REPLY_WITHIN

    # The screen

    @property
    def unanswered(self) -> list[Query]:
        """The open queries that are the screen's."""
        return [query for query in self._open if query.number == SCREEN]

    def open_after(self, offset: int) -> list[tuple[int, int]]:
        """Return where the queries lie that the screen has not been heard about, in order."""
        return [(q.start, q.end) for q in self._open if q.end > offset and q.reply is None]

    def hear_screen(self, end: int, reply: bytes) -> bytes:
        """Take the screen's reply to the query before ``end``; return what is to be typed now."""
        for query in self._open:
            if query.end == end:
                query.reply = reply
                return self.take_reply(query) if query.number == SCREEN else b""
        return b""

    def take_reply(self, query: Query) -> bytes:
        """Return what the screen said to a query that is its own; nothing if it has not yet."""
        if query.reply is None:
            return b""
        self._close(query)
        return query.reply

    def _close(self, query: Query) -> None:
        self._open.remove(query)


def take_out(data: bytes, start: int, queries: list[Query]) -> bytes:
    """Return ``data``, which begins at offset ``start``, without ``queries``."""
    out = bytearray()
    at = 0
    for query in queries:
        out += data[at : max(at, query.start - start)]
        out += NOTHING
        at = max(at, min(len(data), query.end - start))
    return bytes(out + data[at:])
