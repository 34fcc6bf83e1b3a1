"""A feed: what one client of ptyd.v1 is sent, the journal from its place on, or pictures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ptyd.net.window import Window
from ptyd.session.pictures import VISIBLE, WITH_HISTORY
from ptywire.message import CLOSE_EXITED, Event, ServerMessage, encode

if TYPE_CHECKING:
    from ptyd.net.respondent import Respondent
    from ptyd.net.websocket import WebSocket
    from ptyd.screen.link import Picture
    from ptyd.session.session import Session


class Feed:
    """Sends a session's journal to one WebSocket: a reader of the session."""

    framed = True

    def __init__(
        self,
        session: Session,
        websocket: WebSocket,
        respondent: Respondent,
        number: int,
        start: int,
        *,
        lossless: bool,
        hold: bool,
        hidden: bool,
    ) -> None:
        self._session = session
        self._websocket = websocket
        self._respondent = respondent
        self.number = number
        self.cursor = self.rendered = start
        self.hold = hold
        self.waits = False
        self.ended = False
        """Nothing is sent any more: all was, or the connection is gone."""
        self._lossless = lossless
        self._hidden = hidden
        self._awaits_picture = False
        self._stale = False  # what the client shows is old: a picture first
        self._scrollback = VISIBLE
        self._mark = session.marks.number_at(start)
        self._window = Window(lossless=lossless, start=start)
        self._untold = False

    def start(self, *, picture: bool) -> None:
        """Send what there is, after a picture if that is wished."""
        self._respondent.look(self.cursor, visible=not self._hidden)
        if picture:
            self._stale, self._scrollback = True, WITH_HISTORY
        self.push()

    def acknowledge(self, offset: int) -> None:
        """The client has rendered everything before ``offset``: there is room for more."""
        self._window.on_ack(offset, time.monotonic())
        self._respondent.rendered(offset)
        if self.waits or self._stale or self.cursor < self._session.output.end:
            self.push()
        if self.hold:
            self.rendered = max(self.rendered, min(offset, self.cursor))
            self._session.caught_up(self)

    def look(self, *, visible: bool) -> None:
        """Somebody looks at this client, or nobody does."""
        if self._hidden == visible:
            self._hidden = not visible
            self._respondent.look(self.cursor, visible=visible)
            if visible:
                self._stale = not self._lossless
                self._session.announce()  # it was not told in the meantime
        self.push()

    def writable(self) -> None:
        """The socket takes more: first what was not told meanwhile."""
        if self._untold:
            self._untold = False
            self.tell_frame(self._session.announcement)
        self.push()

    def push(self) -> None:
        """Send what the cursor has not passed, as far as socket and window allow."""
        self.waits = False
        session = self._session
        if self.ended or self._awaits_picture:
            return
        if self._hidden and not session.is_over:
            return  # that it has ended is told to those who do not look, too
        # The hottest loop there is: once a viewer and a chunk of output, hence the local names.
        journal, marks, window = session.journal, session.marks, self._window
        websocket = self._websocket
        while not websocket.blocked:
            if self.cursor < journal.start:
                self._pass_gap(session)
            if self._stale:
                self._ask_for_picture(session)
                return
            limit = session.output.end
            mark = marks.next_after(self._mark)
            if mark is not None:
                if mark.offset <= self.cursor:
                    self._mark = mark.number + 1
                    self._send(Event(mark.told(again=session.again)))
                    if mark.is_exit and session.is_over:
                        self._end()
                        return
                    continue
                limit = min(limit, mark.offset)
            if self.cursor >= limit:
                break
            room = window.room
            if not room:
                self.waits = True  # for an ack
                return
            if not self._lossless and journal.end - self.cursor > window.patience:
                self._stale = True
                session.pictures.resyncs += 1
                continue
            if self._lossless:
                frame = session.output.frame_at(self.cursor, limit, room)
            else:
                frame = session.output.frame_for(self.number, self.cursor, limit, room)
            self.cursor = frame.end
            window.on_sent(frame.end, frame.end - frame.start, time.monotonic())
            websocket.send_frame(frame.data)
        else:
            self.waits = True  # for the socket
        session.caught_up(self)

    def _pass_gap(self, session: Session) -> None:
        """Go on after bytes that the journal dropped: say so, or show a picture instead."""
        if not self._lossless:
            self._stale = True
            session.pictures.resyncs += 1
            return
        start = session.journal.start
        self._skip_to(start)
        self._send(Event({"event": "gap", "from": self.cursor, "to": start}))
        self.cursor = self.rendered = start  # of bytes that never come there is no ack
        mark = session.marks.number_at(start)
        if size := session.marks.size_between(self._mark, mark):
            self._send(Event({**size.fields, "end": start}))
        self._mark = mark

    def _skip_to(self, offset: int) -> None:
        self._respondent.skipped(self.cursor, offset)

    def _ask_for_picture(self, session: Session) -> None:
        """Have a picture made, once there is room for it: asked for early it would be old."""
        if self._window.room and not self._awaits_picture:
            self._awaits_picture = True
            session.pictures.want(self._scrollback, self._on_picture)

    def _on_picture(self, picture: Picture, message: bytes) -> None:
        self._awaits_picture = False
        session = self._session
        if self.ended or self._websocket.blocked:
            return  # the next push asks again, if there is one
        self._stale = False
        self._scrollback = VISIBLE
        self._skip_to(picture.end)
        self.cursor = picture.end
        self._mark = session.marks.number_at(picture.end)
        self._window.on_sent(picture.end, len(picture.data), time.monotonic())
        self._websocket.send_frame(message)
        self.push()

    def tell(self, fields: dict[str, Any]) -> None:
        """Send an event that has no place in the journal."""
        if not self.ended and not self._hidden:
            self._send(Event(fields))

    def tell_frame(self, frame: bytes) -> None:
        """As :meth:`tell`, encoded for all."""
        if self.ended or self._hidden:
            return
        if self._websocket.blocked:
            self._untold = True  # the latest will do, when it takes it
        else:
            self._websocket.send_frame(frame)

    def _send(self, message: ServerMessage) -> None:
        self._websocket.send(encode(message))

    def _end(self) -> None:
        """The last byte and the status are sent: close."""
        self.ended = True
        self._websocket.close(CLOSE_EXITED, "exited")
