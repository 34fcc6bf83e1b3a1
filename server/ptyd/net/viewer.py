"""A viewer: one client of ptyd.v1 after the handshake, its place in the journal and its typing."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from ptyd.net.access import lesser
from ptyd.net.asking import Asking
from ptyd.net.attach import Wish, first_offset, greeting, parse_attach
from ptyd.net.request import grant_request
from ptyd.net.respondent import Respondent
from ptyd.net.window import Window
from ptyd.session.people import OWNER, VIEW
from ptyd.session.pictures import VISIBLE, WITH_HISTORY
from ptyd.session.replies import is_nobodys_typing
from ptywire.message import (
    CLOSE_EXITED,
    CLOSE_GONE,
    CLOSE_REFUSED,
    CLOSE_REPLACED,
    CLOSE_VIOLATION,
    SIGNALS,
    Ack,
    Attach,
    ClientMessage,
    Event,
    Input,
    InputAck,
    Request,
    Resize,
    ServerMessage,
    Signal,
    StdinEof,
    Violation,
    Visible,
    decode_client,
    encode,
)

if TYPE_CHECKING:
    from ptyd.container import Container
    from ptyd.net.websocket import WebSocket
    from ptyd.screen.link import Picture
    from ptyd.session.input import Typist
    from ptyd.session.session import Session


SETTLING: Final = 1.0
"""Seconds after its attach in which a client's window is being laid out, not changed by anybody."""


class Viewer:
    """Sends a session's journal to one WebSocket, and its messages to the session."""

    framed = True

    def __init__(self, container: Container, websocket: WebSocket, role: str) -> None:
        self._container = container
        self.websocket = websocket
        self._granted = role
        self.role = role
        self.session: Session | None = None
        self.cursor = 0
        self.hold = False
        self.rendered = 0
        self.number = 0
        self.lossless = False
        self._hidden = False
        self.returns = False
        self._respondent: Respondent | None = None
        self._awaits_picture = False
        self._stale = False  # what the client shows is old: a picture first
        self._scrollback = VISIBLE
        self._mark = 0
        self._typist: Typist | None = None
        self._window = Window(lossless=False)
        self._ended = False
        self._untold = False
        self._settled_at = 0.0
        self.waits = False
        self.only_session: int | None = None
        """The one that its token opens; None: an owner's, every one."""
        self.asking = Asking(container, self._send)

    # Messages in

    def receive(self, data: bytes) -> None:
        """Act on one message of the client."""
        message = decode_client(data)
        if isinstance(message, Violation):
            self.websocket.close(CLOSE_VIOLATION, message.reason)
        elif isinstance(message, Attach):
            self._on_attach(message.fields)
        elif isinstance(message, Request) and message.fields.get("request") == "exec":
            self.asking.ask(message.fields, self._granted)
        elif message is not None and self.session is None:
            self.websocket.close(CLOSE_VIOLATION, "the first message is an attach")
        elif message is not None:
            assert self.session is not None
            self._on_message(self.session, message)

    def _on_message(self, session: Session, message: ClientMessage) -> None:
        if self._ended and isinstance(message, Resize | Request | Visible):
            return  # of one who is gone only the typing counts: a window would for ever
        match message:
            case Ack(offset):
                self.acknowledge(offset)
            case Visible(visible):
                self._on_visible(visible=visible)
            case Request(fields):
                if answer := grant_request(session, self.number, self.role, fields):
                    self._send(Event(answer))
            case _ if self.role == VIEW:
                pass
            case Input(position, data):
                self._on_input(session, position, data)
            case Resize(rows, cols):
                active = time.monotonic() >= self._settled_at
                self._offer(session, rows, cols, active=active)
            case Signal(name) if session.people.may_type(self.number):
                if name in SIGNALS or self.role == OWNER:
                    self._container.signal(session, name)
            case StdinEof() if session.people.may_type(self.number):
                assert self._typist is not None
                session.input.end(self._typist)
            case _:
                pass

    def acknowledge(self, offset: int) -> None:
        """The client has rendered everything before ``offset``: there is room for more."""
        self._window.on_ack(offset, time.monotonic())
        session = self.session
        if self._respondent is not None:
            self._respondent.rendered(offset)
        if session is not None and (self.waits or self._stale or self.cursor < session.output.end):
            self.push()
        if session is not None and self.hold:
            self.rendered = max(self.rendered, min(offset, self.cursor))
            session.caught_up(self)

    def _on_attach(self, fields: dict[str, Any]) -> None:
        if self.session is not None:
            self.websocket.close(CLOSE_VIOLATION, "attached already")
            return
        wish = parse_attach(fields)
        if isinstance(wish, str):
            self.websocket.close(CLOSE_REFUSED, wish)
            return
        session = self._container.sessions.get(wish.session)
        if session is None or self.only_session not in (None, wish.session):
            self.websocket.close(CLOSE_GONE, f"no session {wish.session}")
            return
        self.role = lesser(self._granted, wish.role or self._granted)
        # A session without a screen has no picture to offer instead of its bytes.
        self.lossless = wish.lossless or not session.tty
        self.hold = wish.hold and self._granted == OWNER
        self._hidden = wish.hidden
        self.returns = wish.returns
        if not self.lossless:
            self.websocket.keep_little()
        self.number = session.people.join(self.role, wish.name).number
        self._typist = self._take_over(session, wish)
        self._begin(session, wish, self._typist)

    def _take_over(self, session: Session, wish: Wish) -> Typist:
        """Go on as the client that one was, maybe on a connection that is dead or not yet."""
        typist = session.input.typist(wish.client or os.urandom(16))
        before = typist.sender
        if isinstance(before, Viewer):
            typist.active = session.sizes.activity(before.number)
        session.sizes.join(self.number, active=typist.active)
        if wish.size is not None and self.role != VIEW:
            self._offer(session, *wish.size, active=False)
        typist.sender = self
        if isinstance(before, Viewer):
            before.replaced()
            session.people.succeed(before.number, self.number)
            before.websocket.close(CLOSE_REPLACED, "this client is here anew")
        return typist

    def _offer(self, session: Session, rows: int, cols: int, *, active: bool) -> None:
        owner = self.role == OWNER
        session.sizes.offer(self.number, rows, cols, owner=owner, active=active)

    def _begin(self, session: Session, wish: Wish, typist: Typist) -> None:
        """Answer with hello and take a place among the readers."""
        start, picture = first_offset(session, wish, lossless=self.lossless)
        self._respondent = Respondent(
            session, self.number, typist.client, able=wish.answers and self.role != VIEW
        )
        self._settled_at = time.monotonic() + SETTLING
        self.session = session
        self.cursor = self.rendered = start
        self._window = Window(lossless=self.lossless, start=start)
        self._mark = session.marks.number_at(start)
        fields = {
            "client": typist.client.hex(),
            "id": self.number,
            "role": self.role,
            "drives": self.role != VIEW and session.people.is_turn_of(self.number),
            "input": typist.position,
            "doubt": typist.doubt,
            "from": start,
            "snapshot": picture,
            "replay": not picture and wish.start == "snapshot",
            "name": self._container.name,
        }
        self._send(Event(greeting(session) | fields))
        if session.full:
            self._send(Event({"event": "journal", "state": "full"}))
        if self._ended:
            return  # gone before it was served
        session.add(self)
        session.announce()
        if session.parting is not None and self.role != VIEW:
            session.parting.arrive()
        self._respondent.look(self.cursor, visible=not self._hidden)
        if picture:
            self._stale, self._scrollback = True, WITH_HISTORY
        self.push()

    def _on_input(self, session: Session, position: int, data: bytes) -> None:
        assert self._typist is not None
        assert self._respondent is not None
        answers = is_nobodys_typing(data)
        if (answers and self._respondent.owes) or session.people.may_type(self.number):
            if not answers:
                session.on_typing(self)
            fits = session.input.feed(self._typist, position, data, self._respondent.filter)
        elif self._ended:
            return  # it types this again when it comes back
        else:
            fits = session.input.discard(self._typist, position, data)
        if not fits:
            self.websocket.close(
                CLOSE_VIOLATION, f"input at {position} leaves a hole after {self._typist.position}"
            )

    def _on_visible(self, *, visible: bool) -> None:
        if self._hidden == visible and self._respondent is not None:
            self._hidden = not visible
            self._respondent.look(self.cursor, visible=visible)
            if visible and self.session is not None:
                self._stale = not self.lossless
                self.session.announce()  # it was not told in the meantime
        self.push()

    # Sender: what becomes of typing

    def input_taken(self, position: int) -> None:
        self._send(InputAck(position))

    def input_blocked(self, *, blocked: bool) -> None:
        if blocked:
            self.websocket.pause_reading()
        else:
            self.websocket.resume_reading()

    # Reader: the way out

    def writable(self) -> None:
        """The socket takes more: first what was not told meanwhile."""
        if self._untold and self.session is not None:
            self._untold = False
            self.tell_frame(self.session.announcement)
        self.push()

    def push(self) -> None:
        """Send what the cursor has not passed, as far as socket and window allow."""
        self.waits = False
        session = self.session
        if session is None or self._ended or self._awaits_picture:
            return
        if self._hidden and session.status is None:
            return  # that it has ended is told to those who do not look, too
        # The hottest loop there is: once a viewer and a chunk of output, hence the local names.
        journal, marks, window = session.journal, session.marks, self._window
        websocket = self.websocket
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
                    self._send(Event(mark.fields))
                    if mark.is_exit:
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
            if not self.lossless and journal.end - self.cursor > window.patience:
                self._stale = True
                continue
            if self.lossless:
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
        if not self.lossless:
            self._stale = True
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
        assert self._respondent is not None
        self._respondent.skipped(self.cursor, offset)

    def _ask_for_picture(self, session: Session) -> None:
        """Have a picture made, once there is room for it: asked for early it would be old."""
        if self._window.room and not self._awaits_picture:
            self._awaits_picture = True
            session.pictures.want(self._scrollback, self._on_picture)

    def _on_picture(self, picture: Picture, message: bytes) -> None:
        self._awaits_picture = False
        session = self.session
        if session is None or self._ended or self.websocket.blocked:
            return  # the next push asks again, if there is one
        self._stale = False
        self._scrollback = VISIBLE
        self._skip_to(picture.end)
        self.cursor = picture.end
        self._mark = session.marks.number_at(picture.end)
        self._window.on_sent(picture.end, len(picture.data), time.monotonic())
        self.websocket.send_frame(message)
        self.push()

    def tell(self, fields: dict[str, Any]) -> None:
        """Send an event that has no place in the journal."""
        if self.session is not None and not self._ended and not self._hidden:
            self._send(Event(fields))

    def tell_frame(self, frame: bytes) -> None:
        """As :meth:`tell`, encoded for all."""
        if self.session is None or self._ended or self._hidden:
            return
        if self.websocket.blocked:
            self._untold = True  # the latest will do, when it takes it
        else:
            self.websocket.send_frame(frame)

    def _send(self, message: ServerMessage) -> None:
        self.websocket.send(encode(message))

    def _end(self) -> None:
        """The last byte and the status are sent: close."""
        self._ended = True
        self.websocket.close(CLOSE_EXITED, "exited")

    def replaced(self) -> None:
        """The same client is here on another connection: this one counts for nothing any more."""
        assert self.session is not None
        assert self._respondent is not None
        if self._typist is not None:
            self._typist.active = max(self._typist.active, self.session.sizes.leave(self.number))
        self._respondent.leave(self.cursor)

    def lost(self, *, on_purpose: bool = False) -> None:
        """The connection is gone; what it typed stays, its place does not."""
        self._ended = True
        self.asking.close()
        if self.session is not None:
            if self.session.parting is not None and self.role != VIEW:
                self.session.parting.leave(on_purpose=on_purpose)
            if self._typist is not None and self._typist.sender is self:
                self.session.input.forget(self._typist)
            self.session.people.leave(self.number)
            self.replaced()
            self.session.remove(self)
            self.session.announce()
