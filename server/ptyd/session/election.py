"""The election: who is told that its terminal answers, and what becomes of queries given up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ptyd.session.answering import REPLY_WITHIN, SCREEN

if TYPE_CHECKING:
    import asyncio

    from ptyd.session.session import Session


class Election:
    """Carries out what :class:`~ptyd.session.answering.Answering` decides for one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._answering = session.output.answering
        self._told: set[int] = set()  # whose replies come, as far as they know
        self._elected = SCREEN
        self._waiting: asyncio.TimerHandle | None = None

    def join(self, number: int, client: bytes) -> None:
        """A client's terminal can answer: it is here, or is looked at again."""
        self._told.discard(number)
        self._answering.come_back(client, time.monotonic())
        self._answering.join(number)
        self.hold()
        if number not in self._told:
            self._tell(number, answers=False)

    def withdraw(self, number: int) -> None:
        """It is not looked at: no query is for it."""
        self._answering.withdraw(number)
        self.hold()

    def leave(self, number: int) -> None:
        self._answering.leave(number)
        self._told.discard(number)
        self.hold()

    def touch(self, number: int) -> None:
        """Who typed is asked first."""
        self._answering.touch(number)
        self.hold()

    def hold(self) -> None:
        """Elect; tell who answers from here on, and who has answered all that it was asked."""
        people = self._session.people
        self._answering.drives = (people.driver or SCREEN) if people.one_driver else None
        elected = self._answering.answerer
        if elected == self._elected and self._told <= {elected}:
            return
        self._elected = elected
        now = time.monotonic()
        for number in [number for number in self._told if number != elected]:
            # Its replies are on their way: it is told to hold them back when they have come.
            if not self._answering.owes(number, now):
                self._told.discard(number)
                self._tell(number, answers=False)
        if elected != SCREEN and elected not in self._told:
            self._told.add(elected)
            self._tell(elected, answers=True)
        if self._told - {elected} and self._waiting is None:
            self._waiting = self._session.loop.call_later(REPLY_WITHIN, self._hold_again)

    def _hold_again(self) -> None:
        self._waiting = None
        self.hold()

    def close(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    def _tell(self, number: int, *, answers: bool) -> None:
        for reader in self._session.audience.readers:
            if reader.number == number:
                reader.tell({"event": "answerer", "answers": answers})

    def give_up(
        self, number: int, client: bytes, *, sent: int, after: int = -1, until: int | None = None
    ) -> None:
        """A client does not answer what it was asked, see :meth:`Answering.give_up`."""
        given = self._answering.give_up(
            number, client, time.monotonic(), after=after, until=until, sent=sent
        )
        for query in given:
            if reply := self._answering.take_reply(query):
                self._session.input.inject(reply)
        if given:
            if self._answering.unanswered:
                self._session.pictures.answer()
            self.hold()
