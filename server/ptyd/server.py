"""The server process: sockets and descriptors from the keeper, one event loop, no state of its own.

Whatever must survive is in the journal, in the keeper's pipe or in the keeper's memfd, so that
SIGKILL at any moment loses nothing. SIGTERM is a request to make room for the next server.
"""

from __future__ import annotations

import importlib
import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any, NoReturn

from ptyd.container import Container
from ptyd.journal.intake import can_splice
from ptyd.loop import new_loop
from ptyd.net.channel import Channel
from ptyd.net.poller import Poller
from ptyd.parent import outlive_parent
from ptykeep import identity
from ptykeep.protocol import EXIT_DONE, EXIT_REPLACED, VERSION, Packet, receive, send
from ptywire.lean import without
from ptywire.message import CLOSE_GOING_AWAY

if TYPE_CHECKING:
    import asyncio
    import ssl

    from ptyd.execution import Gift

EXIT_FAILED = 1
HEARTBEAT = 5.0
MOST_FILES = 1 << 16
LAST_WORDS = 2.0
"""Seconds that a server without a keeper has to write down what there is."""
MOST_REQUESTS = 64
"""Requests that may wait for the keeper before signals are dropped."""


class Server:
    """Accepts for the keeper, and does what it says."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, keeper: socket.socket, hello: Packet
    ) -> None:
        self._loop = loop
        self._poller = Poller(loop)
        self._keeper = keeper
        self._requests: deque[tuple[dict[str, Any], Gift | None]] = deque()
        self._container = Container(loop, hello.fields, self._request)
        self._container.on_over = lambda: self.exit(EXIT_DONE)
        self._container.on_client = self._expect_heartbeat
        self._is_beating = False
        self._listeners = [
            (fields, socket.socket(fileno=fd))
            for fields, fd in zip(hello.fields["listeners"], hello.fds, strict=True)
        ]
        self._tls = self._load_tls(hello.fields["options"])
        self._uid = int(hello.fields["uid"])
        identity.assume(self._uid)
        self._is_settled = False
        self._spliced = can_splice(f"{self._container.directory}/sessions")

    def _load_tls(self, options: dict[str, Any]) -> ssl.SSLContext | None:
        if not options["tls"]:
            return None
        from ptyd.net.tls import server_context  # and with it ssl

        try:
            return server_context(options["cert"], options["key"])
        except OSError as error:  # ssl.SSLError is one
            # The owner still gets in by control.sock; who would have come by TLS does not.
            print(f"server: {options['cert']}: {error}", file=sys.stderr)
            return None

    def start(self) -> None:
        """Serve whoever comes, from now on."""
        self._loop.set_exception_handler(self._on_exception)
        self._loop.add_signal_handler(signal.SIGTERM, self._on_sigterm)
        self._loop.add_signal_handler(signal.SIGINT, self._container.hurry)
        self._loop.add_reader(self._keeper.fileno(), self._on_keeper)
        outlive_parent()  # that it is gone is read there, and there is something to put in order
        for fields, sock in self._listeners:
            sock.setblocking(False)
            self._loop.add_reader(sock.fileno(), self._on_accept, fields, sock)
        intake = "splice" if self._spliced else "copy"
        self._request({"type": "ready", "version": VERSION, "intake": intake})

    # The keeper

    def _request(self, fields: dict[str, Any], gift: Gift | None = None) -> None:
        """Ask the keeper, now or when its queue has room again; ``gift`` is given away."""
        if fields["type"] == "signal" and len(self._requests) >= MOST_REQUESTS:
            return  # a client may send them faster than anybody acts on them
        self._requests.append((fields, gift))
        self._send_requests()

    def _send_requests(self) -> None:
        try:
            while self._requests:
                fields, gift = self._requests[0]
                send(self._keeper, fields, [gift.fileno()] if gift is not None else None)
                self._requests.popleft()
                if gift is not None:
                    gift.close()
        except BlockingIOError:
            self._loop.add_writer(self._keeper.fileno(), self._send_requests)
            return
        except OSError:
            self._requests.clear()  # it is gone, and reading from it says so
        self._loop.remove_writer(self._keeper.fileno())

    def _on_keeper(self) -> None:
        try:
            packet = receive(self._keeper)
        except BlockingIOError:
            return
        if packet is None:
            # The keeper is dead, and init with it: what is left to do is to say so.
            for session in self._container.sessions.values():
                session.on_exit(128 + signal.SIGKILL)
            self._loop.remove_reader(self._keeper.fileno())
            if not self._container.sessions:
                self.exit(EXIT_FAILED)  # it died before it told us of any
            self._container.hurry()
            self._loop.call_later(LAST_WORDS, self.exit, EXIT_FAILED)  # a disk may be full
            return
        match packet.fields:
            case {"type": "session"} as fields:
                self._container.add_session(fields, packet.fds, spliced=self._spliced)
                if not self._is_settled:
                    self._settle()
            case {"type": "exited", "session": int(number), "status": int(status)} as fields:
                again = fields.get("again") is True
                self._container.sessions[number].on_exit(status, again=again)
            case {"type": "renamed", "name": str(name)}:
                self._container.name = name
            case {"type": "started" | "failed", "request": int(number)} as fields:
                self._container.executions.answer(number, fields)
            case {"type": "remove", "session": int(number)}:
                self._container.remove_session(number)
            case _:
                for fd in packet.fds:
                    os.close(fd)

    def _settle(self) -> None:
        """Import the rest, after the journal and before somebody waits for it; give up files."""
        import_rest()
        identity.settle(self._uid)
        self._is_settled = True

    # Clients

    def _on_accept(self, fields: dict[str, Any], listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            # Out of descriptors: the connection stays in the backlog; try when some may be free.
            self._loop.remove_reader(listener.fileno())
            self._loop.call_later(0.2, self._accept_again, fields, listener)
            return
        if fields.get("tls") and self._tls is None:
            sock.close()
            return
        channel = Channel(self._poller, sock)
        if fields["dialect"] == "raw":
            from ptyd.net.raw import RawClient

            session = self._container.sessions.get(0)
            if session is None:
                sock.close()
            else:
                RawClient(self._container, session, channel).start()
            return
        from ptyd.net.http import HttpConnection, accept_control

        if fields["dialect"] == "control":
            accept_control(self._container, channel)
        else:
            HttpConnection(self._container, channel, control=False, tls=self._tls).start()

    def _accept_again(self, fields: dict[str, Any], listener: socket.socket) -> None:
        self._loop.add_reader(listener.fileno(), self._on_accept, fields, listener)

    def _expect_heartbeat(self) -> None:
        if not self._is_beating:
            self._is_beating = True
            self._loop.call_later(HEARTBEAT, self._on_heartbeat)

    def _on_heartbeat(self) -> None:
        """See who is still there, as long as anybody is: without clients nothing wakes us."""
        now = time.monotonic()
        for websocket in list(self._container.websockets):
            websocket.on_heartbeat(now)
        for client in list(self._container.raw_clients):
            client.on_heartbeat()
        self._is_beating = False
        if self._container.clients:
            self._expect_heartbeat()

    # The end

    def _on_sigterm(self) -> None:
        for websocket in list(self._container.websockets):
            websocket.close(CLOSE_GOING_AWAY, "the server is being replaced")
        self.exit(EXIT_REPLACED)

    def _on_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Die of our own bugs: the keeper starts a server in a sane state, and nothing is lost."""
        error = context.get("exception")
        try:
            print("server:", context.get("message"), file=sys.stderr)
            if error is not None:
                traceback.print_exception(error)
        finally:  # the log may be on a full disk
            self.exit(EXIT_FAILED)

    def exit(self, code: int) -> NoReturn:
        try:
            sys.stderr.flush()
        finally:
            os._exit(code)


def import_rest() -> None:
    """Import what a first client needs; h11 and websockets take 40 ms."""
    with without("importlib.metadata"):
        importlib.import_module("ptyd.net.http")
    importlib.import_module("ptyd.net.metrics")
    importlib.import_module("ptyd.net.raw")
    importlib.import_module("ptyd.net.static").page_at("/")


def main(keeper: socket.socket, hello: Packet) -> None:
    # Absolute paths go through folders that are root's alone.
    os.chdir(hello.fields["directory"])
    hello.fields["directory"] = "."
    loop = new_loop()
    keeper.setblocking(False)
    # A thousand viewers are a thousand descriptors, and the soft limit is for select(2)'s sake.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, MOST_FILES), most))
    # In the loop: uvloop does not see a signal that comes before it runs.
    loop.call_soon(Server(loop, keeper, hello).start)
    loop.run_forever()
