"""The poller: everybody is heard, the crowd last, and nobody after they are gone."""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from ptyd.net import poller as module
from ptyd.net.poller import AT_ONCE, READ, Poller, PollSet

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

MANY = 5 * AT_ONCE


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as it:
        yield it


@pytest.fixture
def poller(loop: asyncio.AbstractEventLoop, stack: ExitStack) -> Poller:
    it = Poller(loop)
    stack.callback(it.close)
    return it


class Socket:
    """One that is always ready; it writes down that it was called."""

    def __init__(self, stack: ExitStack, calls: list[Socket]) -> None:
        ours, self.theirs = socket.socketpair()
        self.sock = stack.enter_context(ours)
        stack.enter_context(self.theirs)
        self.theirs.send(b"x")
        self._calls = calls
        self.closes: list[tuple[PollSet, Socket]] = []

    def watch(self, poll_set: PollSet) -> None:
        poll_set.watch(self.sock.fileno(), self, READ)

    def on_event(self, event: int) -> None:
        assert event & READ
        self._calls.append(self)
        for poll_set, other in self.closes:
            poll_set.watch(other.sock.fileno(), other, 0)


def turn(loop: asyncio.AbstractEventLoop, times: int = 1) -> None:
    """Let the loop go round."""
    for _ in range(times):
        loop.call_soon(loop.stop)
        loop.run_forever()


def test_everybody_who_is_ready_is_called(
    loop: asyncio.AbstractEventLoop,
    poller: Poller,
    stack: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More than are taken at a time; none twice before all have been called once."""
    monkeypatch.setattr(module, "SLICE", 60.0)
    calls: list[Socket] = []
    sockets = [Socket(stack, calls) for _ in range(MANY)]
    for each in sockets:
        each.watch(poller.crowd)
    sockets[-1].closes = [(poller.crowd, each) for each in sockets]  # or it would go on for ever

    turn(loop, 2)
    assert set(calls) == set(sockets)
    assert len(calls) < 2 * MANY


def test_the_rest_is_heard_before_the_crowd(
    loop: asyncio.AbstractEventLoop,
    poller: Poller,
    stack: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After one step of the crowd at most."""
    monkeypatch.setattr(module, "SLICE", 60.0)
    calls: list[Socket] = []
    sockets = [Socket(stack, calls) for _ in range(MANY)]
    for each in sockets:
        each.watch(poller.crowd)
    typist = Socket(stack, calls)
    typist.watch(poller.prompt)
    typist.closes = [(poller.crowd, each) for each in sockets] + [(poller.prompt, typist)]

    turn(loop, 2)
    assert typist in calls[: AT_ONCE + 1]


def test_a_slice_ends(
    loop: asyncio.AbstractEventLoop,
    poller: Poller,
    stack: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With whoever is left called in the next turn."""
    monkeypatch.setattr(module, "SLICE", 0.0)
    calls: list[Socket] = []
    sockets = [Socket(stack, calls) for _ in range(MANY)]
    for each in sockets:
        each.watch(poller.crowd)

    turn(loop, 2)
    first = len(calls)
    turn(loop, 3 * MANY // AT_ONCE)
    assert AT_ONCE <= first < MANY
    assert set(calls) == set(sockets)


def test_who_is_gone_is_not_called(stack: ExitStack) -> None:
    """Also when the event was taken before it went."""
    calls: list[Socket] = []
    poll_set = PollSet()
    stack.callback(poll_set.close)
    one, two = Socket(stack, calls), Socket(stack, calls)
    one.closes, two.closes = [(poll_set, two)], [(poll_set, one)]
    for each in (one, two):
        each.watch(poll_set)

    assert poll_set.step() is False
    assert len(calls) == 1


def test_a_failure_is_no_news_to_who_waits_for_nothing(stack: ExitStack) -> None:
    """The kernel would tell it again and again."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    peer = socket.create_connection(listener.getsockname())
    calls: list[Socket] = []
    mine = Socket(stack, calls)
    mine.sock = stack.enter_context(listener.accept()[0])
    poll_set = PollSet()
    stack.callback(poll_set.close)
    mine.watch(poll_set)
    poll_set.watch(mine.sock.fileno(), mine, 0)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()  # a reset

    assert poll_set.step() is False
    assert calls == []
