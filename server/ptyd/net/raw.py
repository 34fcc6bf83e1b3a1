"""Raw clients: the journal's bytes by sendfile(2), and what they type."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from ptyd.net.respondent import Respondent
from ptywire.raw import is_foreign

if TYPE_CHECKING:
    import asyncio

    from ptyd.container import Container
    from ptyd.net.channel import Channel
    from ptyd.session.session import Session

SEND: Final = 256 << 10
SILENT_TOO_LONG: Final = 40.0
UNDECIDED: Final = 0.5
"""Seconds after which letters that could begin an HTTP method are taken for typing."""


class RawClient:
    """Reader, sender and handler of one raw connection.

    There are no acks: what the kernel took counts as rendered.
    """

    framed = False
    waits = False
    hold = False
    number = 0  # raw clients are nobody: they have no name, no size and no turn

    def __init__(self, container: Container, session: Session, channel: Channel) -> None:
        self._container = container
        self._session = session
        self._channel = channel
        self._typist = session.input.typist(os.urandom(16))
        self._typist.sender = self
        self._respondent = Respondent(session, self.number, b"", able=False)
        self._head: bytes | None = b""
        self._decide: asyncio.TimerHandle | None = None
        self._between = b""  # typed while nothing runs, for the next epoch
        self._ended = False
        self._full = False
        self.cursor = session.output.replay_start()

    def start(self) -> None:
        self._container.raw_clients.add(self)
        self._container.on_client()
        self._session.add(self)
        self._channel.start(self)
        self.push()

    # Reader

    @property
    def rendered(self) -> int:
        return self.cursor

    def push(self) -> None:
        """Send from the segments until the kernel takes no more."""
        session = self._session
        journal = session.journal
        if self._ended or self._full or self._channel.blocked or not self._channel.is_open:
            return
        if self.cursor < journal.start:
            lost = journal.start - self.cursor
            self.cursor = journal.start
            self._channel.write(f"\r\n[ptyd: {lost} bytes were dropped here]\r\n".encode())
            if self._channel.blocked:
                return
        while self.cursor < journal.end:
            fd, position, available = journal.place(self.cursor)
            want = min(available, SEND)
            try:
                sent = os.sendfile(self._channel.socket.fileno(), fd, position, want)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._channel.stop_sending()
                return
            self.cursor += sent
            if sent < want:
                self._full = True
                self._channel.wait_writable()
                return
        if session.is_over:
            self._ended = True
            self._channel.close()

    def go_on(self, session: Session) -> None:
        """The program is started again, in a new epoch of the same journal."""
        self._session.input.forget(self._typist)
        self._session.remove(self)
        self._session = session
        self._typist = session.input.typist(os.urandom(16))
        self._typist.sender = self
        self._respondent = Respondent(session, self.number, b"", able=False)
        if self._ended:
            return
        session.add(self)
        self._channel.resume_reading()
        typed, self._between = self._between, b""
        if typed:
            self._type(typed)
        self.push()

    def writable(self) -> None:
        self._full = False
        self.push()

    def on_heartbeat(self) -> None:
        """Let go of a peer that is not there any more."""
        deaf = not self._channel.is_listening
        if self._channel.is_abandoned(SILENT_TOO_LONG) or (
            deaf and self._channel.is_hung_up(half=False)  # half of it is good: it only watches
        ):
            self._channel.abort()

    def tell(self, fields: dict[str, Any]) -> None:
        """Say nothing: raw has bytes only."""

    def tell_frame(self, frame: bytes) -> None:
        """Say nothing: raw has bytes only."""

    # Input

    def data_received(self, data: bytes) -> None:
        """Pass typing on, unless it turns out to be a browser's."""
        if self._head is None:
            self._type(data)
            return
        self._head += data
        foreign = is_foreign(self._head)
        if foreign:
            self._channel.abort()
        elif foreign is False:
            self._pass_head()
        elif self._decide is None:
            self._decide = self._session.loop.call_later(UNDECIDED, self._pass_head)

    def _pass_head(self) -> None:
        if self._decide is not None:
            self._decide.cancel()
        head, self._head = self._head, None
        if head:
            self._type(head)

    def _type(self, data: bytes) -> None:
        if self._session.people.one_driver:
            return  # there is no asking for a turn here
        if self._session.again:
            self._between += data
            self._channel.pause_reading()
            return
        self._session.on_typing(self)
        position = self._typist.position
        self._session.input.feed(self._typist, position, data, self._respondent.filter)

    def eof_received(self) -> None:
        """The client only stops typing: what is printed goes on to it."""
        if self._head:
            self._pass_head()

    def input_taken(self, position: int) -> None:
        """Say nothing: raw has no acks."""

    def input_blocked(self, *, blocked: bool) -> None:
        if blocked:
            self._channel.pause_reading()
        else:
            self._channel.resume_reading()

    def lost(self) -> None:
        if self._decide is not None:
            self._decide.cancel()
        self._session.input.forget(self._typist)
        self._session.remove(self)
        self._container.raw_clients.discard(self)
        self._container.on_client_gone()
