"""A viewer: one client of ptyd.v1 after the handshake, and what it says."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from ptyd.net.access import lesser
from ptyd.net.asking import Asking
from ptyd.net.attach import Wish, first_offset, greeting, parse_attach
from ptyd.net.feed import Feed
from ptyd.net.request import grant_request
from ptyd.net.respondent import Respondent
from ptyd.session.people import OWNER, VIEW
from ptyd.session.replies import is_nobodys_typing
from ptywire.message import (
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
    from ptyd.session.input import Typist
    from ptyd.session.session import Session


SETTLING: Final = 1.0
"""Seconds after its attach in which a client's window is being laid out, not changed by anybody."""


class Viewer:
    """Hands a WebSocket's messages to the session, and has a feed send to it."""

    def __init__(self, container: Container, websocket: WebSocket, role: str) -> None:
        self._container = container
        self.websocket = websocket
        self._granted = role
        self.role = role
        self.session: Session | None = None
        self.number = 0
        self.lossless = False
        self.returns = False
        self._feed: Feed | None = None
        self._respondent: Respondent | None = None
        self._typist: Typist | None = None
        self._settled_at = 0.0
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
        elif message is not None and self.session is not None and self._feed is not None:
            self._on_message(self.session, self._feed, message)
        elif message is not None:
            self.websocket.close(CLOSE_VIOLATION, "the first message is an attach")

    def _on_message(self, session: Session, feed: Feed, message: ClientMessage) -> None:
        if feed.ended and isinstance(message, Resize | Request | Visible):
            return  # of one who is gone only the typing counts: a window would for ever
        match message:
            case Ack(offset):
                feed.acknowledge(offset)
            case Visible(visible):
                feed.look(visible=visible)
            case Request(fields):
                if answer := grant_request(session, self.number, self.role, fields):
                    self._send(Event(answer))
            case _ if self.role == VIEW:
                pass
            case Input(position, data):
                self._on_input(session, feed, position, data)
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
        if self._feed is not None:
            self._feed.acknowledge(offset)

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
        feed = self._feed = Feed(
            session,
            self.websocket,
            self._respondent,
            self.number,
            start,
            lossless=self.lossless,
            hold=wish.hold and self._granted == OWNER,
            hidden=wish.hidden,
        )
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
        if feed.ended:
            return  # gone before it was served
        session.add(feed)
        session.announce()
        if session.parting is not None and self.role != VIEW:
            session.parting.arrive()
        feed.start(picture=picture)

    def _on_input(self, session: Session, feed: Feed, position: int, data: bytes) -> None:
        assert self._typist is not None
        assert self._respondent is not None
        if session.status is not None and session.again:
            return  # nobody takes it, nor is that said: who typed it has it for the next epoch
        answers = is_nobodys_typing(data)
        if (answers and self._respondent.owes) or session.people.may_type(self.number):
            if not answers:
                session.on_typing(feed)
            fits = session.input.feed(self._typist, position, data, self._respondent.filter)
        elif feed.ended:
            return  # it types this again when it comes back
        else:
            fits = session.input.discard(self._typist, position, data)
        if not fits and session.status is None:
            self.websocket.close(
                CLOSE_VIOLATION, f"input at {position} leaves a hole after {self._typist.position}"
            )

    # Sender: what becomes of typing

    def input_taken(self, position: int) -> None:
        self._send(InputAck(position))

    def input_blocked(self, *, blocked: bool) -> None:
        if blocked:
            self.websocket.pause_reading()
        else:
            self.websocket.resume_reading()

    # The connection

    def writable(self) -> None:
        """The socket takes more."""
        if self._feed is not None:
            self._feed.writable()

    def tell(self, fields: dict[str, Any]) -> None:
        """Send an event that has no place in the journal, to one who is attached and looks."""
        if self._feed is not None:
            self._feed.tell(fields)

    def _send(self, message: ServerMessage) -> None:
        self.websocket.send(encode(message))

    def replaced(self) -> None:
        """The same client is here on another connection: this one counts for nothing any more."""
        assert self.session is not None
        assert self._respondent is not None
        assert self._feed is not None
        if self._typist is not None:
            self._typist.active = max(self._typist.active, self.session.sizes.leave(self.number))
        self._respondent.leave(self._feed.cursor)

    def lost(self, *, on_purpose: bool = False) -> None:
        """The connection is gone; what it typed stays, its place does not."""
        self.asking.close()
        if self.session is not None and self._feed is not None:
            self._feed.ended = True
            if self.session.parting is not None and self.role != VIEW:
                self.session.parting.leave(on_purpose=on_purpose)
            if self._typist is not None and self._typist.sender is self:
                self.session.input.forget(self._typist)
            self.session.people.leave(self.number)
            self.replaced()
            self.session.remove(self._feed)
            self.session.announce()
