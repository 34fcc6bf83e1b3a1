"""Pictures: snapshots of the screen, one for all who wait, and a stand-in without a screen."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from ptyd.screen.link import Picture
from ptywire.message import Snapshot, encode
from ptywire.websocket import binary_frame

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ptyd.screen.link import ScreenLink
    from ptyd.session.session import Session

VISIBLE: Final = 0
"""Lines of scrollback for a reader that fell behind."""
WITH_HISTORY: Final = 1000
"""Lines of scrollback for somebody who comes."""
AHEAD: Final = 256 << 10
"""Bytes that the journal may be ahead of a screen that owes a picture."""
BACKLOG: Final = 4 << 20
"""Bytes after which a screen reads on, wanted or not: who comes late would wait for all of them."""
IDLE: Final = 30.0
"""Seconds after which a screen that nobody needs goes."""
_ABORT_SEQUENCE: Final = b"\x18\x1b[0m"
"""CAN ends a sequence that was cut (ECMA-48), SGR 0 its colours."""
_STAND_IN: Final = {VISIBLE: 4 << 10, WITH_HISTORY: 64 << 10}
"""Bytes of history that stand for the screen when there is none."""


class Pictures:
    """Asks the screen for pictures, each kind one at a time."""

    def __init__(self, session: Session, link: ScreenLink) -> None:
        self.resyncs = 0
        """Clients that had fallen behind, each time."""
        self._session = session
        self._link = link
        self._waiting: dict[int, list[Callable[[Picture, bytes], None]]] = {}
        self._idle: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None
        self._read_to = session.journal.end  # by the screens there were
        link.queries = session.output.answering.open_after
        link.on_reply = self._on_reply
        link.on_failed = self._expect_answer
        link.on_progress = session.on_screen_progress

    def want(self, scrollback: int, callback: Callable[[Picture, bytes], None]) -> None:
        """Have ``callback`` called with a picture of now or a little later, and its message."""
        waiting = self._waiting.get(scrollback)
        if waiting is not None:
            waiting.append(callback)
            return
        self._waiting[scrollback] = [callback]
        self._link.request(
            self._session.journal.end,
            scrollback,
            lambda picture: self._deliver(scrollback, picture),
        )

    def answer(self) -> None:
        """Have the screen answer the queries that are its own: there is nobody else who could."""
        self._link.wake(self._session.journal.end)
        self._expect_use()
        if not self._link.is_running:
            self._expect_answer()

    def _expect_answer(self) -> None:
        """There is no screen now: try another, if somebody waits for what it has to say."""
        if self._session.output.answering.unanswered and self._again is None:
            self._again = self._session.loop.call_later(self._link.pause, self._answer_again)

    def _answer_again(self) -> None:
        self._again = None
        if self._session.output.answering.unanswered:
            self.answer()

    def _on_reply(self, end: int, data: str) -> None:
        """Type what the screen says, if it was asked; else it is kept in case."""
        reply = self._session.output.answering.hear_screen(end, base64.b64decode(data))
        if reply:
            self._session.input.inject(reply)

    def close(self) -> None:
        """End the screen."""
        for timer in (self._idle, self._again):
            if timer is not None:
                timer.cancel()
        self._waiting.clear()
        self._link.close()

    def _on_idle(self) -> None:
        """Let a screen go that nobody has needed for a while, and nobody is there to need."""
        self._idle = None
        grown = self._link.offset > self._read_to
        self._read_to = max(self._read_to, self._link.offset)
        if self._session.audience.readers or self._waiting or grown:
            self._expect_use()
        else:
            self._link.close()

    def _expect_use(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = self._session.loop.call_later(IDLE, self._on_idle)

    def advance(self, end: int) -> None:
        """The journal has grown: a screen that runs keeps up, and one is started to catch up."""
        if self._link.is_running:
            self._link.advance(end)
        elif end - self._read_to >= BACKLOG and self._session.tty:
            self._link.wake(end)
            self._expect_use()

    def resized(self) -> None:
        """There is a new size at the end of the journal."""
        if self._link.is_running:
            self._link.wake(self._session.journal.end)

    def hold(self, end: int) -> bool:
        """Tell whether the program must wait, so that a picture can be had at all."""
        return bool(self._waiting) and self._link.is_running and end - self._link.offset > AHEAD

    def _deliver(self, scrollback: int, picture: Picture | None) -> None:
        callbacks = self._waiting.pop(scrollback, [])
        if not callbacks:
            return  # nobody waits any more: the session is being closed
        if self._link.is_running:
            self._expect_use()
        if picture is None or picture.end < self._session.journal.start:
            picture = self._stand_in(_STAND_IN[scrollback])
        # Once for all: it is long, and waits as long as the slowest of them takes.
        message = binary_frame(encode(Snapshot(*picture)))
        for callback in callbacks:
            callback(picture, message)
        # The program may have waited for a screen that is gone, and of which nothing more is heard.
        self._session.on_screen_progress()

    def _stand_in(self, size: int) -> Picture:
        """Repaint from the last lines: wrong where a program moves the cursor, never silent."""
        session = self._session
        start, end = session.output.replay_start(size), session.journal.end
        data = b""
        while start + len(data) < end and (
            chunk := session.journal.read(start + len(data), end - start - len(data))
        ):
            data += chunk
        rows, cols = session.size
        return Picture(start + len(data), rows, cols, _ABORT_SEQUENCE + data)
