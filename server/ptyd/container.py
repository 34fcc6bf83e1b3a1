"""A container as its server sees it: sessions, tokens, clients, and the keeper behind it all."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, Final

from ptyd.net.access import Tokens
from ptyd.screen.link import Screens
from ptyd.session.session import Session
from ptywire.size import parse_policy

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

    from ptyd.net.http import HttpConnection
    from ptyd.net.raw import RawClient
    from ptyd.net.websocket import WebSocket

LINGER: Final = 30.0
"""Seconds after the exit that somebody may still come for the status."""


MOST_STRANGERS: Final = 128
"""Connections that may be open without a token."""


class Container:
    """What all connections share."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        hello: dict[str, Any],
        request: Callable[[dict[str, Any], socket.socket | None], None],
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
        # Not in containers that an older ptyd wrote down.
        self._has_foreground = bool(options.get("foreground"))
        self.host_names: list[str] = [name.lower() for name in options["host_names"]]
        self.tokens = Tokens(f"{self.directory}/tokens.json")
        self.sessions: dict[int, Session] = {}
        self.websockets: set[WebSocket] = set()
        self.raw_clients: set[RawClient] = set()
        self._strangers: dict[HttpConnection, None] = {}
        self.on_over: Callable[[], None] = lambda: None
        self._over = False

    def add_session(self, fields: dict[str, Any], fds: list[int], *, spliced: bool) -> None:
        """Take over a session and its descriptors from the keeper."""
        number = int(fields["session"])
        screens = Screens(
            lambda sock: self._request({"type": "screen", "session": number}, sock),
            lambda: self._request({"type": "end-screen", "session": number}, None),
        )
        session = Session(
            self._loop,
            f"{self.directory}/sessions/{fields['session']}",
            fields,
            dict(zip(fields["fds"], fds, strict=True)),
            log_max=self.log_max,
            spliced=spliced,
            screens=screens,
            size_policy=parse_policy(self._options.get("size", "latest")),
            one_driver=bool(self._options.get("one_driver", False)),
            awaits_holder=self._has_foreground,
        )
        self.sessions[session.number] = session
        session.on_ended = self._on_ended
        session.on_full = lambda: self._tell_full(session)
        session.input.on_closed = lambda: self._request(
            {"type": "close-stdin", "session": session.number}, None
        )
        session.start()
        if fields["status"] is not None:
            session.on_exit(fields["status"])

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

    def _on_ended(self) -> None:
        if self._over or any(session.status is None for session in self.sessions.values()):
            return
        self._over = True
        self._loop.call_later(LINGER, self._on_lingered)

    def _on_lingered(self) -> None:
        """Nobody else is waited for, but who wants every byte and has not had them all."""
        if any(websocket.wants_all for websocket in self.websockets):
            self._loop.call_later(LINGER / 10, self._on_lingered)
        else:
            self.on_over()

    def on_client_gone(self) -> None:
        """Once it is over and everybody who was there has the status, nobody is waited for."""
        if self._over and not self.clients:
            self.on_over()

    def hurry(self) -> None:
        """Stop waiting for somebody who might come."""
        if self._over:
            self.on_over()
