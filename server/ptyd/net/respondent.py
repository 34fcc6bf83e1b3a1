"""A respondent: a viewer as one whose terminal may answer the program's queries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ptyd.session.session import Session


class Respondent:
    """Keeps track of what one client's terminal was asked, has shown and answers."""

    def __init__(self, session: Session, number: int, client: bytes, *, able: bool) -> None:
        """``able``: there is a terminal, and its replies are typed."""
        self._session = session
        self._number = number
        self._client = client
        self._able = able
        self._repainted: int | None = None  # by a picture that ends here, not rendered yet

    def look(self, sent: int, *, visible: bool) -> None:
        """Somebody looks at this terminal, or not; it was sent everything before ``sent``."""
        if not self._able:
            return
        if visible:
            self._session.election.join(self._number, self._client)
        else:
            self._session.election.withdraw(self._number)
            self._give_up(sent, after=sent)

    def rendered(self, offset: int) -> None:
        """It has shown everything before ``offset``."""
        if not self._able:
            return
        self._session.output.answering.rendered(self._number, offset, time.monotonic())
        if self._repainted is not None and offset >= self._repainted:
            # It drops replies while it repaints: what has not come by now was among them.
            until, self._repainted = self._repainted, None
            self._give_up(until, until=until)

    def skipped(self, sent: int, end: int) -> None:
        """It was sent everything before ``sent``, and a picture of ``end`` or nothing at all."""
        self._give_up(sent, after=sent, until=end)
        self._repainted = end

    def leave(self, sent: int) -> None:
        """The connection is gone, or its client is here on another."""
        self._give_up(sent)
        self._able = False
        self._session.election.leave(self._number)

    def _give_up(self, sent: int, *, after: int = -1, until: int | None = None) -> None:
        if self._able:
            self._session.election.give_up(
                self._number, self._client, sent=sent, after=after, until=until
            )

    @property
    def owes(self) -> bool:
        """Whether a reply is still to come."""
        return self._session.output.answering.owes(self._number, time.monotonic())

    @property
    def filter(self) -> Callable[[bytes], bool] | None:
        """What tells which replies are passed on, None where all that is typed is."""
        answering = self._session.output.answering
        plain = answering.is_plain(self._number, self._client, time.monotonic())
        return None if plain else self._wants

    def _wants(self, reply: bytes) -> bool:
        answering = self._session.output.answering
        wanted = answering.keeps(self._number, self._client, reply, time.monotonic())
        self._session.election.hold()  # it may have been the last that was to come
        return wanted
