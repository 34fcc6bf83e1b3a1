"""A container as its server sees it: sessions, tokens, clients, and the keeper behind it all."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Final

from ptyd.execution import Executions
from ptyd.net.access import Tokens
from ptyd.screen.link import Screens
from ptyd.session.parting import Parting
from ptyd.session.session import Session
from ptywire.message import CLOSE_GOING_AWAY
from ptywire.size import parse_policy

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

    from ptyd.execution import Request
    from ptyd.net.http import HttpConnection
    from ptyd.net.raw import RawClient
    from ptyd.net.websocket import WebSocket

LINGER: Final = 30.0
"""Seconds after the exit that somebody may still come for the status."""
LET_GO_AFTER: Final = 5.0
"""Seconds until it is seen again whether somebody still reads what is to be removed."""
MOST_STRANGERS: Final = 128
"""Connections that may be open without a token."""


class Container:
    """What all connections share."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        hello: dict[str, Any],
        request: Request,
    ) -> None:
        self._loop = loop
        self._request = request
        options: dict[str, Any] = hello["options"]
        self._options = options
        self.id: str = hello["id"]
        self.name: str = hello["name"]
        self.directory: str = hello["directory"]
        self.owner: int = hello["owner"]
        self.log_max: int = options["log_max"]
        self.has_metrics = bool(options.get("metrics", False))
        """Whether whoever reaches a listener may read them; the owner always may."""
        self.servers = int(os.environ.get("PTYD_SERVERS", "0"))
        """How many servers the keeper has started, this one included; 0: an older one, unknown."""
        # Not in containers that an older ptyd wrote down.
        self._has_foreground = bool(options.get("foreground"))
        self.host_names: list[str] = [name.lower() for name in options["host_names"]]
        self.tokens = Tokens(f"{self.directory}/tokens.json")
        self.executions = Executions(hello.get("version", 1), request)
        self.sessions: dict[int, Session] = {}
        self._fds: dict[int, dict[str, int]] = {}
        self.websockets: set[WebSocket] = set()
        self.raw_clients: set[RawClient] = set()
        self._strangers: dict[HttpConnection, None] = {}
        self.on_client: Callable[[], None] = lambda: None
        """Somebody was let in."""
        self.on_over: Callable[[], None] = lambda: None
        self._over = False
        self._lingers: asyncio.TimerHandle | None = None

    def add_session(self, fields: dict[str, Any], fds: list[int], *, spliced: bool) -> None:
        """Take over a session and its descriptors from the keeper."""
        number = int(fields["session"])

        def start_screen(sock: socket.socket) -> None:
            self._request({"type": "screen", "session": number}, sock)

        screens = Screens(
            start_screen, lambda: self._request({"type": "end-screen", "session": number}, None)
        )
        named = dict(zip(fields["fds"], fds, strict=True))
        # An older keeper does not say: its one session is what run was asked for.
        foreground = fields.get("foreground", self._has_foreground)
        held = number in self.sessions and self._end_epoch(self.sessions[number])
        session = Session(
            self._loop,
            f"{self.directory}/sessions/{fields['session']}",
            fields,
            named,
            log_max=self.log_max,
            spliced=spliced,
            screens=screens,
            size_policy=parse_policy(self._options.get("size", "latest")),
            one_driver=bool(self._options.get("one_driver", False)),
            awaits_holder=bool(foreground) or held,
        )
        if number in self.sessions:
            for client in list(self.raw_clients):
                client.go_on(session)
        self.sessions[session.number] = session
        self._fds[session.number] = named
        session.on_ended = lambda: self._on_ended(session)
        session.on_full = lambda: self._tell_full(session)
        session.input.on_closed = lambda: self._request(
            {"type": "close-stdin", "session": session.number}, None
        )
        self._watch_parting(session, fields.get("on_disconnect", "keep"))
        session.start()
        if fields["status"] is not None:
            session.on_exit(fields["status"], again=fields.get("again") is True)

    def _end_epoch(self, session: Session) -> bool:
        """Another epoch begins; return whether there is a reader for whom it should wait.

        Clients of ptyd.v1 come back, and are told in a new hello; raw ones do not notice.
        """
        self._over, held = False, bool(session.audience.holders)
        if self._lingers is not None:
            self._lingers.cancel()
        for websocket in list(self.websockets):
            if websocket.is_at(session):
                websocket.close(CLOSE_GOING_AWAY, "the program is started again")
        session.close()
        self._close_fds(session.number)
        return held

    def _close_fds(self, number: int) -> None:
        for name, fd in self._fds.pop(number).items():
            if name != "stdin":  # closed when the program ended
                os.close(fd)

    def _watch_parting(self, session: Session, policy: str) -> None:
        number = session.number
        session.parting = Parting(
            self._loop,
            policy,
            hang_up=lambda: self.signal(session, "HUP"),
            keep=lambda: self._request({"type": "keep", "session": number}, None),
        )

    def remove_session(self, number: int) -> None:
        """Let go of a session that has long ended, as soon as nobody reads it any more."""
        session = self.sessions.get(number)
        if session is not None and session.audience.readers:
            self._loop.call_later(LET_GO_AFTER, self.remove_session, number)
            return
        if session is not None:
            del self.sessions[number]
            session.close()
            self._close_fds(number)
        self._request({"type": "removed", "session": number}, None)

    def signal(self, session: Session, name: str) -> None:
        """Have the keeper send a signal to a session's program; ignore names that are none."""
        number = getattr(signal, f"SIG{name}", None)
        if isinstance(number, signal.Signals):
            self._request(
                {"type": "signal", "session": session.number, "signal": int(number)}, None
            )

    def greet(self, stranger: HttpConnection) -> None:
        """Count a connection that has not said who it is; of too many the oldest goes."""
        self._strangers[stranger] = None
        if len(self._strangers) > MOST_STRANGERS:
            next(iter(self._strangers)).abort()

    def dismiss(self, stranger: HttpConnection) -> None:
        """It is known now, or gone."""
        self._strangers.pop(stranger, None)

    def _tell_full(self, session: Session) -> None:
        state = "full" if session.full else "ok"
        for websocket in list(self.websockets):
            websocket.tell({"event": "journal", "state": state})

    # The end

    @property
    def clients(self) -> int:
        return len(self.websockets) + len(self.raw_clients)

    def _on_ended(self, ended: Session) -> None:
        fields = {"type": "ended", "session": ended.number, "epoch": ended.epoch}
        self._request(fields, None)
        if self._over or any(not session.is_over for session in self.sessions.values()):
            return
        self._over = True
        self._lingers = self._loop.call_later(LINGER, self._on_lingered)

    def _on_lingered(self) -> None:
        """Nobody else is waited for, but who wants every byte and has not had them all."""
        if any(websocket.wants_all for websocket in self.websockets):
            self._lingers = self._loop.call_later(LINGER / 10, self._on_lingered)
        else:
            self.on_over()

    def on_client_gone(self) -> None:
        """Once it is over and everybody who was there has the status, nobody is waited for.

        But who has started it is on the way to it, or holds it.
        """
        awaited = any(session.audience.holders for session in self.sessions.values())
        if self._over and not self.clients and not awaited:
            self.on_over()

    def hurry(self) -> None:
        """Stop waiting for somebody who might come."""
        if self._over:
            self.on_over()
