"""A viewer: one client of ptyd.v1 after the handshake, its place in the journal and its typing."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from ptyd.net.access import OWNER, ROLES, VIEW, lesser
from ptyd.net.window import Window
from ptywire.message import (
    CLOSE_EXITED,
    CLOSE_GONE,
    CLOSE_REFUSED,
    CLOSE_VIOLATION,
    SIGNALS,
    SUBPROTOCOL,
    Ack,
    Attach,
    ClientMessage,
    Event,
    Input,
    InputAck,
    Resize,
    ServerMessage,
    Signal,
    Snapshot,
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

_ABORT_SEQUENCE: Final = b"\x18\x1b[0m"
"""CAN ends a sequence that was cut (ECMA-48), SGR 0 its colours."""
_RESYNC: Final = 4 << 10
"""Bytes of history that a resync repaints from."""


class Viewer:
    """Sends a session's journal to one WebSocket, and its messages to the session."""

    framed = True

    def __init__(self, container: Container, websocket: WebSocket, role: str) -> None:
        self._container = container
        self._websocket = websocket
        self._granted = role
        self.role = role
        self.session: Session | None = None
        self.cursor = 0
        self.hold = False
        self._lossless = False
        self._hidden = False
        self._stale = False  # what the client shows is old: a picture first
        self._mark = 0
        self._size: tuple[int, int] | None = None
        self._typist: Typist | None = None
        self._window = Window(lossless=False)
        self._ended = False

    # Messages in

    def receive(self, data: bytes) -> None:
        """Act on one message of the client."""
        message = decode_client(data)
        if isinstance(message, Violation):
            self._websocket.close(CLOSE_VIOLATION, message.reason)
        elif message is not None:
            self._on_message(message)

    def _on_message(self, message: ClientMessage) -> None:
        if isinstance(message, Attach):
            self._on_attach(message.fields)
            return
        session = self.session
        if session is None:
            self._websocket.close(CLOSE_VIOLATION, "the first message is an attach")
            return
        match message:
            case Ack(offset):
                self.acknowledge(offset)
            case Visible(visible):
                self._on_visible(visible=visible)
            case _ if self.role == VIEW:
                pass
            case Input(position, data):
                self._on_input(position, data)
            case Resize(rows, cols):
                self._size = (rows, cols)
                session.resize(rows, cols)
            case Signal(name):
                self._on_signal(name)
            case StdinEof():
                assert self._typist is not None
                session.input.end(self._typist)
            case _:
                pass

    def acknowledge(self, offset: int) -> None:
        """The client has rendered everything before ``offset``: there is room for more."""
        self._window.on_ack(offset, time.monotonic())
        if self.session is not None and (self._stale or self.cursor < self.session.journal.end):
            self.push()

    def _on_attach(self, fields: dict[str, Any]) -> None:
        if self.session is not None:
            self._websocket.close(CLOSE_VIOLATION, "attached already")
            return
        wish = parse_attach(fields)
        if isinstance(wish, str):
            self._websocket.close(CLOSE_REFUSED, wish)
            return
        session = self._container.sessions.get(wish["session"])
        if session is None:
            self._websocket.close(CLOSE_GONE, f"no session {wish['session']}")
            return
        self.role = lesser(self._granted, wish["role"] or self._granted)
        # A session without a screen has no picture to offer instead of its bytes.
        self._lossless = wish["lossless"] or not session.tty
        self.hold = wish["hold"] and self._granted == OWNER
        self._hidden = wish["hidden"]
        self._window = Window(lossless=self._lossless)
        if wish["size"] is not None and self.role != VIEW:
            self._size = wish["size"]
            session.resize(*wish["size"])
        self._begin(session, wish)

    def _begin(self, session: Session, wish: dict[str, Any]) -> None:
        """Answer with hello and take a place among the readers."""
        client: bytes = wish["client"] or os.urandom(16)
        journal = session.journal
        start, replay = wish["from"], False
        if isinstance(start, int):
            same = wish["epoch"] in (None, session.epoch)
            replay = not (same and start <= journal.end)
        if start == "snapshot" or replay:
            start, replay = session.replay_start(), True
        elif start == "start":
            start = journal.start
        elif start == "end":
            start = journal.end
        typist = session.input.typist(client)
        typist.sender = self
        self._typist = typist
        self.session = session
        self.cursor = start
        self._mark = session.marks.number_at(start)
        self._send(
            Event(
                {
                    "event": "hello",
                    "protocol": SUBPROTOCOL,
                    "client": client.hex(),
                    "session": session.number,
                    "epoch": session.epoch,
                    "role": self.role,
                    "tty": session.tty,
                    "input": typist.position,
                    "doubt": typist.doubt,
                    "start": journal.start,
                    "end": journal.end,
                    "from": start,
                    "replay": replay,
                    "rows": session.size[0],
                    "cols": session.size[1],
                    "name": self._container.name,
                }
            )
        )
        if session.full:
            self._send(Event({"event": "journal", "state": "full"}))
        session.add(self)
        self.push()

    def _on_input(self, position: int, data: bytes) -> None:
        assert self.session is not None
        assert self._typist is not None
        self.session.prefer(self)
        if self._size is not None:
            self.session.resize(*self._size)  # the latest to type has the size
        if not self.session.input.feed(self._typist, position, data):
            self._websocket.close(
                CLOSE_VIOLATION, f"input at {position} leaves a hole after {self._typist.position}"
            )

    def _on_signal(self, name: str) -> None:
        assert self.session is not None
        if name in SIGNALS or self.role == OWNER:
            self._container.signal(self.session, name)

    def _on_visible(self, *, visible: bool) -> None:
        assert self.session is not None
        if self._hidden and visible and not self._lossless:
            self._stale = True
        self._hidden = not visible
        self.push()

    # Sender: what becomes of typing

    def input_taken(self, position: int) -> None:
        self._send(InputAck(position))

    def input_blocked(self, *, blocked: bool) -> None:
        if blocked:
            self._websocket.pause_reading()
        else:
            self._websocket.resume_reading()

    # Reader: the way out

    def push(self) -> None:
        """Send what the cursor has not passed, as far as socket and window allow."""
        session = self.session
        if session is None or self._ended or self._hidden:
            return
        # The hottest loop there is: once a viewer and a chunk of output, hence the local names.
        journal, marks, window = session.journal, session.marks, self._window
        websocket = self._websocket
        end = journal.end
        while not websocket.blocked:
            if self._stale:
                if not window.room:
                    return
                self._resync(session)
            if self.cursor < journal.start and not self._pass_gap(session):
                return
            limit = end
            mark = marks.next_after(self._mark)
            if mark is not None:
                if mark.offset <= self.cursor:
                    self._mark = mark.number + 1
                    self._send(Event(mark.fields))
                    if mark.is_exit:
                        self._end()
                        return
                    continue
                limit = mark.offset
            if self.cursor >= limit:
                break
            room = window.room
            if not room:
                return
            if not self._lossless and end - self.cursor > window.patience:
                self._resync(session)
                continue
            frame = session.frame_at(self.cursor, limit, room)
            self.cursor = frame.end
            window.on_sent(frame.end, frame.end - frame.start, time.monotonic())
            websocket.send_frame(frame.data)
        session.caught_up(self)

    def _pass_gap(self, session: Session) -> bool:
        """Go on after bytes that the journal dropped: say so, or show a picture instead."""
        if not self._lossless:
            if not self._window.room:
                return False
            self._resync(session)
            return True
        start = session.journal.start
        self._send(Event({"event": "gap", "from": self.cursor, "to": start}))
        self.cursor = start
        self._mark = session.marks.number_at(start)
        return True

    def _resync(self, session: Session) -> None:
        """Skip to the end: the last lines stand for the screen until there is one."""
        end = session.journal.end
        start = session.replay_start(_RESYNC)
        data = session.journal.read(start, end - start)
        rows, cols = session.size
        self._stale = False
        self.cursor = start + len(data)
        self._mark = session.marks.number_at(self.cursor)
        self._window.on_sent(self.cursor, len(data), time.monotonic())
        self._send(Snapshot(self.cursor, rows, cols, _ABORT_SEQUENCE + data))

    def tell(self, fields: dict[str, Any]) -> None:
        """Send an event that has no place in the journal."""
        if self.session is not None and not self._ended:
            self._send(Event(fields))

    def _send(self, message: ServerMessage) -> None:
        self._websocket.send(encode(message))

    def _end(self) -> None:
        """The last byte and the status are sent: close."""
        self._ended = True
        self._websocket.close(CLOSE_EXITED, "exited")

    def lost(self) -> None:
        """The connection is gone; what it typed stays, its place does not."""
        self._ended = True
        if self._typist is not None and self._typist.sender is self:
            self._typist.sender = None
        if self.session is not None:
            self.session.remove(self)


def parse_attach(fields: dict[str, Any]) -> dict[str, Any] | str:
    """Return the checked fields of an attach, or one line about what is wrong with them."""
    start = fields.get("from", "snapshot")
    client = fields.get("client")
    rows, cols = fields.get("rows"), fields.get("cols")
    role = fields.get("role")
    session, epoch = fields.get("session", 0), fields.get("epoch")
    if start not in ("snapshot", "start", "end") and not _is_offset(start):
        return "from is an offset, snapshot, start or end"
    if client is not None and not _is_client(client):
        return "client is 32 hex digits"
    if role is not None and role not in ROLES:
        return "role is control or view"
    if not _is_offset(session) or not (epoch is None or _is_offset(epoch)):
        return "session and epoch are numbers"
    if not all(value is None or (_is_offset(value) and value < 1 << 16) for value in (rows, cols)):
        return "rows and cols are numbers below 65536"
    return {
        "from": start,
        "client": bytes.fromhex(client) if client else None,
        "role": role,
        "session": session,
        "epoch": epoch,
        "size": (rows, cols) if rows and cols else None,
        "lossless": fields.get("lossless") is True,
        "hold": fields.get("hold") is True,
        "hidden": fields.get("hidden") is True,
    }


def _is_offset(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


def _is_client(value: object) -> bool:
    return (
        isinstance(value, str) and len(value) == 32 and all(c in "0123456789abcdef" for c in value)
    )
