"""Errands: one thing done at a session, over a connection of its own and without a terminal.

Nothing in an errand waits. :func:`run` drives one with poll(2), :func:`run_async` with asyncio; a
connection that breaks is made again, as for a user at a terminal.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any

from ptyc.fault import FAILED, Over, printable
from ptyc.hello import Hello, number, parse_hello
from ptyc.line import Line
from ptywire import message as wire

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Event
    from collections.abc import Callable

    from ptyc.address import Target
    from ptyc.transport import Address


class Errand:
    """``attach`` are the fields of its attach, ``status`` the program's once that has ended.

    An errand only watches unless it says otherwise: it is nobody's turn, and counts for no size.
    Subclasses say what to do with what arrives, and set ``is_done``.
    """

    def __init__(self, target: Target, addresses: list[Address], attach: dict[str, Any]) -> None:
        self.is_done = False
        self.hello: Hello | None = None
        self.status: int | None = None
        self.line = Line(target, addresses, self.greeting)
        self._attach = {"session": target.session, "role": "view", "returns": True, **attach}

    def greeting(self) -> bytes:
        """Return the first message of each connection."""
        return wire.encode(wire.Attach(self._attach | self.resumed()))

    def wants(self) -> tuple[int, int] | None:
        """Return the descriptor and the poll(2) events to wait for."""
        return self.line.wants(deaf=False)

    def deadline(self) -> float | None:
        """Return when :meth:`turn` is due whatever happens, in monotonic seconds."""
        due = [at for at in self.line.deadlines(deaf=False) if at is not None]
        return min(due) if due else None

    def turn(self, *, is_ready: bool) -> None:
        """Go on; ``is_ready`` when what :meth:`wants` asked for is there. Raise Over."""
        if is_ready or self.line.has_more:
            messages, ended = self.line.receive()
            for data in messages:
                self._take(data)
                if self.is_done:
                    return
            if ended is not None:
                self.line.closed(ended)
        self.line.keep_time(time.monotonic(), deaf=False)
        self.after_turn()

    def _take(self, data: bytes) -> None:
        match wire.decode_server(data):
            case wire.Event(fields) if fields.get("event") == "hello":
                self.line.attached()
                before, self.hello = self.hello, parse_hello(fields)
                self.take_hello(self.hello, is_same=_is_same(self.hello, before))
            case wire.Event(fields) if fields.get("event") == "exited":
                self.status = min(number(fields, "status", FAILED), 255)
                self.take_exit()
            case wire.Violation(reason):
                raise Over(FAILED, f"the server sent a malformed message: {printable(reason)}")
            case None:
                pass
            case message:
                self.take(message)

    # What an errand is about

    def resumed(self) -> dict[str, Any]:
        """Return the fields that differ in an attach after a lost connection."""
        return {}

    def take_hello(self, hello: Hello, *, is_same: bool) -> None:
        """Attached; ``is_same`` when the server knows us from a connection that was lost."""

    def take(self, message: wire.ServerMessage) -> None:
        """One message that is neither hello nor exit."""

    def take_exit(self) -> None:
        """The program has ended with ``status``: nothing comes any more."""
        self.is_done = True

    def after_turn(self) -> None:
        """All that had arrived was taken."""


def _is_same(hello: Hello, before: Hello | None) -> bool:
    return before is not None and hello.client == before.client


def run(errand: Errand, until: float | None) -> None:
    """Drive an errand to its end; raise TimeoutError at ``until`` (monotonic seconds), or Over."""
    errand.line.dial()
    try:
        while not errand.is_done:
            now = time.monotonic()
            if until is not None and now >= until:
                raise TimeoutError
            poll = select.poll()
            wanted = errand.wants()
            if wanted is not None:
                poll.register(*wanted)
            ready = poll.poll(_milliseconds(errand, until, now))
            errand.turn(is_ready=bool(ready))
    finally:
        errand.line.hang_up(0, wire.DETACHED)


async def run_async(errand: Errand, until: float | None) -> None:
    """As :func:`run`, leaving the event loop to others while there is nothing to do."""
    import asyncio

    loop = asyncio.get_running_loop()
    errand.line.dial()
    try:
        while not errand.is_done:
            now = time.monotonic()
            if until is not None and now >= until:
                raise TimeoutError
            ready = asyncio.Event()
            watched = _watch(loop, errand.wants(), ready)
            try:
                wait = _milliseconds(errand, until, now)
                async with asyncio.timeout(None if wait is None else wait / 1000):
                    await ready.wait()
            except TimeoutError:
                pass  # ours: something is due
            finally:
                for forget in watched:
                    forget()
            errand.turn(is_ready=ready.is_set())
    finally:
        errand.line.hang_up(0, wire.DETACHED)


def _watch(
    loop: AbstractEventLoop, wanted: tuple[int, int] | None, ready: Event
) -> list[Callable[[], object]]:
    """Have ``ready`` set when poll(2) would return; return what ends that."""
    if wanted is None:
        return []
    fd, events = wanted
    forget: list[Callable[[], object]] = []
    if events & select.POLLIN:
        loop.add_reader(fd, ready.set)
        forget.append(lambda: loop.remove_reader(fd))
    if events & select.POLLOUT:
        loop.add_writer(fd, ready.set)
        forget.append(lambda: loop.remove_writer(fd))
    return forget


def _milliseconds(errand: Errand, until: float | None, now: float) -> float | None:
    if errand.line.has_more:
        return 0.0
    due = [at for at in (errand.deadline(), until) if at is not None]
    # Rounded up: poll(2) counts milliseconds, and one too early turns the loop for nothing.
    return max(0.0, min(due) - now) * 1000 + 1 if due else None
