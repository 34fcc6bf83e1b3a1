"""Orders: one packet each way, and nothing that a keeper would have to wait for."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from ptykeep.listener import bind_orders
from ptykeep.order import MOST_CALLERS, NAME, NoAnswer, NoKeeper, Orders, say
from ptykeep.protocol import send
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Office:
    """A keeper that only takes orders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = bind_orders(str(folder))
        self.orders = Orders(self.socket)

    def call(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.connect(str(self.folder / NAME))
        return sock

    def turn(self) -> list[dict[str, Any]]:
        """Look at everybody once; answer with what was said."""
        taken = []
        for fd in self.orders.filenos():
            if fd == self.socket.fileno():
                self.orders.take(fd)
            elif order := self.orders.take(fd):
                order[0].answer("heard")
                taken.append(order[1])
        return taken


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    it = Office(tmp_path / ("x" * 90))  # longer than a path of a socket may be
    yield it
    it.socket.close()


@pytest.fixture
def near(tmp_path: Path) -> Iterator[Office]:
    it = Office(tmp_path)
    yield it
    it.socket.close()


def test_an_order_and_its_answer(near: Office) -> None:
    """As JSON, whatever is said."""
    with near.call() as caller:
        send(caller, {"order": "stop", "timeout": 3})
        taken: list[dict[str, Any]] = []
        wait_until(lambda: taken.extend(near.turn()) or taken)
        answer = caller.recv(1000)

    assert taken == [{"order": "stop", "timeout": 3}]
    assert answer == b'{"error": "heard", "exit_code": 1}'


@pytest.mark.parametrize("packet", [b"", b"[]", b"nonsense", b"\xff"], ids=repr)
def test_nonsense_is_hung_up_on(near: Office, packet: bytes) -> None:
    """Without a word, and the next one is heard."""
    with near.call() as caller:
        caller.send(packet)
        caller.setblocking(False)

        def is_closed() -> bool:
            near.turn()
            try:
                return caller.recv(100) == b""
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True

        wait_until(is_closed)

    assert near.orders.filenos() == [near.socket.fileno()]


def test_many_who_say_nothing(near: Office) -> None:
    """The oldest goes."""
    callers = []
    for _ in range(MOST_CALLERS + 3):
        callers.append(near.call())
        near.orders.take(near.socket.fileno())
    open_ = len(near.orders.filenos()) - 1
    for caller in callers:
        caller.close()
    near.turn()

    assert open_ == MOST_CALLERS
    assert near.orders.filenos() == [near.socket.fileno()]


def test_a_keeper_that_says_nothing(office: Office) -> None:
    """It is given up after a while, however long its path is."""
    with pytest.raises(NoAnswer):
        say(str(office.folder), {"order": "pause"}, 0.05)


def test_no_keeper(tmp_path: Path) -> None:
    """Nobody listens, or the folder is gone."""
    bind_orders(str(tmp_path)).close()
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NoKeeper):
            say(str(folder), {"order": "pause"}, 5)
