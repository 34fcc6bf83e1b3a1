"""HTTP: one request a connection, which is refused, answered, or becomes a WebSocket.

h11 parses, the ``websockets`` library checks the handshake. Both are imported when the first client
comes: a server that is being replaced under load has better things to do.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

import h11
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol

from ptyd.net.access import digest_of, host_is_ours, is_owner, origin_matches
from ptyd.net.static import page_at, takes_gzip
from ptyd.net.viewer import Viewer
from ptyd.net.websocket import WebSocket
from ptyd.session.people import OWNER
from ptywire.message import SUBPROTOCOL, TOKEN_PREFIX
from ptywire.release import RELEASE

if TYPE_CHECKING:
    import ssl

    from ptyd.container import Container
    from ptyd.net.channel import Channel

REQUEST_WITHIN: Final = 10.0
ANSWER_WITHIN: Final = 60.0
"""Seconds that a browser has to take a file of the page: 8 kB/s are enough."""
MAX_HEADERS: Final = 16 << 10
"""Bytes of request line and headers, as nginx and h11 have it."""
_TOO_LONG: Final = "a request has at most 16 KiB"
_TLS_HELLO: Final = 0x16
_WELCOME: Final = (
    "This is a ptyd session. Attach to it from a terminal with: ptyc 'LINK'\n"
    "where LINK is the whole link you were given, with what follows the #.\n"
)


class HttpError(Exception):
    """An answer that is not 200: ``status`` and one line of text."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


class HttpConnection:
    """A channel's first handler: the request."""

    def __init__(
        self,
        container: Container,
        channel: Channel,
        *,
        control: bool,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._container = container
        self._channel = channel
        self._control = control
        self._tls = tls
        self._first = True
        self._method = b"GET"
        self._answered = False
        self._room = MAX_HEADERS
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADERS)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(REQUEST_WITHIN, self._on_timeout)

    def start(self) -> None:
        self._container.greet(self)
        self._channel.start(self)

    def abort(self) -> None:
        self._channel.abort()

    def data_received(self, data: bytes) -> None:
        if self._answered:
            return
        if self._first:
            self._first = False
            if self._tls is not None and data[0] == _TLS_HELLO:
                from ptyd.net.tls import Tls  # loaded with the context

                self._channel.start_tls(Tls(self._tls), data)
                return
            if self._tls is not None:
                self._answer(400, "this port speaks TLS: use https")
                return
        if not self._room:
            self._answer(431, _TOO_LONG)
            return
        # h11 bounds what is incomplete: a longer request that comes at once would be taken.
        head, rest = data[: self._room], data[self._room :]
        self._room -= len(head)
        try:
            self._http.receive_data(head)
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self._on_request(event, rest)
            elif rest:
                self._answer(431, _TOO_LONG)
        except h11.RemoteProtocolError as error:
            self._answer(error.error_status_hint, "this is not a good HTTP request")
        except HttpError as error:
            self._answer(error.status, str(error))

    def _on_request(self, request: h11.Request, rest: bytes) -> None:
        """Act on a request; ``rest`` has come behind it and was not shown to h11."""
        headers = Headers(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers
        )
        path = request.target.decode("latin-1").partition("?")[0]
        if not self._control:
            self._check_names(headers)
        if request.method not in (b"GET", b"HEAD"):
            raise HttpError(405, "only GET and HEAD are answered here")
        self._method = request.method
        if path == "/healthz":
            self._answer(200, "ok")
        elif path == "/version" and self._control:
            self._answer(200, json.dumps({"Version": RELEASE}))
        elif path == "/metrics" and (self._control or self._container.has_metrics):
            self._answer_metrics()
        elif path == "/ws" and request.method == b"GET":
            self._upgrade(path, headers, rest)
        elif page := page_at(path, packed=takes_gzip(headers.get_all("Accept-Encoding"))):
            self._send(200, page.body, page.headers)
        elif path == "/":
            self._answer(200, _WELCOME.rstrip())
        else:
            raise HttpError(404, "there is nothing at this path")

    def _check_names(self, headers: Headers) -> None:
        """Refuse what a foreign web page makes a browser send."""
        hosts = headers.get_all("Host")
        if len(hosts) != 1 or not host_is_ours(hosts[0], self._container.host_names):
            raise HttpError(403, "this Host is not served: use an address, or --host-name NAME")
        origins = headers.get_all("Origin")
        if any(not origin_matches(origin, hosts[0]) for origin in origins):
            raise HttpError(403, "pages of other sites may not connect")

    def _upgrade(self, path: str, headers: Headers, rest: bytes) -> None:
        offered = [
            name.strip()
            for line in headers.get_all("Sec-WebSocket-Protocol")
            for name in line.split(",")
        ]
        if not any("websocket" in value.lower() for value in headers.get_all("Upgrade")):
            raise HttpError(426, "this path is a WebSocket")
        if SUBPROTOCOL not in offered:
            raise HttpError(400, f"the WebSocket must offer the subprotocol {SUBPROTOCOL}")
        role, digest = self._authorize(offered)
        handshake = ServerProtocol(subprotocols=[SUBPROTOCOL])  # type: ignore[list-item]
        response = handshake.accept(Request(path, headers))
        if response.status_code != 101:
            raise HttpError(response.status_code, response.reason_phrase)
        self._timer.cancel()
        self._channel.write(response.serialize())
        if not self._channel.is_open:
            return  # gone before it was served
        self._container.dismiss(self)
        websocket = WebSocket(self._container, self._channel, digest)
        viewer = Viewer(self._container, websocket, role)
        if digest:
            viewer.only_session = self._container.tokens.session_by(digest)
        websocket.start(viewer, self._http.trailing_data[0] + rest)

    def _authorize(self, offered: list[str]) -> tuple[str, str]:
        """Return the role, and the digest of the token that gives it, empty for an owner."""
        if self._control:
            return OWNER, ""
        tokens = [
            name.removeprefix(TOKEN_PREFIX) for name in offered if name.startswith(TOKEN_PREFIX)
        ]
        digest = digest_of(tokens[0]) if len(tokens) == 1 else ""
        role = self._container.tokens.role_by(digest)
        if role is None:
            raise HttpError(401, "the token is missing, wrong or expired")
        return role, digest

    def _answer(self, status: int, line: str) -> None:
        """Answer with one line of text."""
        headers = (
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Cache-Control", "no-store"),
        )
        self._send(status, line.encode() + b"\n", headers)

    def _answer_metrics(self) -> None:
        from ptyd.net.metrics import CONTENT_TYPE, exposition  # for who asks

        headers = (("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store"))
        self._send(200, exposition(self._container).encode() + b"\n", headers)

    def _send(self, status: int, body: bytes, headers: tuple[tuple[str, str], ...]) -> None:
        """Answer and close: no connection is kept for a second request."""
        self._timer.cancel()
        self._answered = True
        reply = h11.Response(
            status_code=status,
            headers=[
                *headers,
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
                ("X-Content-Type-Options", "nosniff"),
            ],
        )
        # A connection of its own: the one that read a bad request is in no state to answer.
        sending = h11.Connection(h11.SERVER)
        sending.receive_data(self._method + b" / HTTP/1.1\r\nHost: x\r\n\r\n")
        sending.next_event()
        data = [] if self._method == b"HEAD" else [h11.Data(data=body)]
        events: list[h11.Event] = [reply, *data, h11.EndOfMessage()]
        self._channel.write(b"".join(_encode(sending, event) for event in events))
        if self._channel.blocked:
            # More than the kernel takes: a channel that closes is given less time than this needs.
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(ANSWER_WITHIN, self._channel.abort)
        else:
            self._channel.close()

    def _on_timeout(self) -> None:
        self._answer(408, "the request took too long")

    def eof_received(self) -> None:
        if not self._answered:
            self._channel.abort()

    def writable(self) -> None:
        if self._answered:
            self._timer.cancel()
            self._channel.close()

    def lost(self) -> None:
        self._container.dismiss(self)
        self._timer.cancel()


def _encode(connection: h11.Connection, event: h11.Event) -> bytes:
    data: bytes | None = connection.send(event)  # h11 has no types of its own for this
    return data or b""


def accept_control(container: Container, channel: Channel) -> None:
    """Serve a connection of control.sock, if its peer is who it must be."""
    if is_owner(channel.socket, container.owner):
        HttpConnection(container, channel, control=True, tls=None).start()
    else:
        channel.abort()
