"""Pictures and answers of a screen: a real one, of a served session."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from ptyd.net.window import FLOOR
from ptyd.screen import link as module
from ptyd.session import pictures
from wire_client import ATTACH, VISIBLE

if TYPE_CHECKING:
    from served import Served

QUERY, REPLY = b"\x1b[6n", b"\x1b[1;5R"


@pytest.fixture(autouse=True)
def _screens_have_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine one may take longer to start than a person is made to wait."""
    monkeypatch.setattr(module, "PATIENCE", 60.0)
    monkeypatch.setattr(module, "LONGEST", 60.0)


def test_a_program_that_waits_for_the_screen_goes_on_without_it(served: Served) -> None:
    """It is held so that a picture can be had; when none can be, nothing else would let it go."""
    served.print(b"something to see")
    with_screen = served.attached()
    with_screen.wait_until(lambda: with_screen.snapshots == 1)
    link = served.session.pictures._link
    os.kill(served.screens._pids[0], signal.SIGSTOP)
    served.client().send(ATTACH, b"{}")
    served.wait(lambda: bool(link._waiting))

    def is_held() -> bool:
        served.program.write(64 << 10)
        return not served.session._reading

    served.wait(is_held)
    os.kill(served.screens._pids[0], signal.SIGKILL)

    served.write(1 << 20)


def test_nobody_waits_for_ever_for_a_screen_that_works(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has waited long enough is shown the last lines; the screen is left to its work."""
    served.print(b"something to see")
    first = served.attached()
    first.wait_until(lambda: first.snapshots == 1)
    link = served.session.pictures._link
    monkeypatch.setattr(module, "LONGEST", 0.2)
    os.kill(served.screens._pids[0], signal.SIGSTOP)
    late = served.attached()
    late.wait_until(lambda: late.snapshots == 1)

    assert b"something to see" in late.output
    assert link.is_running
    assert not link._waiting


def test_a_picture_is_asked_for_when_the_screen_listens_again(served: Served) -> None:
    """It has read nothing for so long that there is no room for one request more."""
    served.print(b"\x1b[5;5Hsomething to see")
    first = served.attached()
    first.wait_until(lambda: first.snapshots == 1)
    link, pid = served.session.pictures._link, served.screens._pids[0]
    os.kill(pid, signal.SIGSTOP)

    def fill() -> None:
        assert link._socket is not None
        link._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        while link._send({"type": "end", "end": 1}):
            pass

    served.on_loop(fill)
    late = served.client()
    late.send(ATTACH, b"{}")
    served.print(b"\x1b[6;5Hand more")
    served.wait(lambda: bool(link._unasked))
    os.kill(pid, signal.SIGCONT)
    late.wait_until(lambda: late.snapshots == 1)

    assert b"\r\n\r\n\r\n\r\n    something" in late.output
    assert not link._unasked
    assert served.screens._pids[0] == pid


def test_a_picture_of_where_one_is_holds_nothing_up(served: Served) -> None:
    """A client that acknowledges progress only does not acknowledge it: there is none."""
    for _ in range(23):
        served.print(b"".join(b"\x1b[38;5;%dm#" % (n + 100) for n in range(80)))
    client = served.attached()
    client.wait_until(lambda: client.snapshots == 1)
    assert len(client.output) > FLOOR
    served.print(b"more")
    client.read_until(b"more")
    client.send(VISIBLE, b"\0")
    client.send(VISIBLE, b"\1")
    client.wait_until(lambda: client.snapshots == 2)
    served.print(b"even more")

    client.read_until(b"even more")


def test_a_picture_is_encoded_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait for it."""
    encoded: list[object] = []
    real = pictures.encode
    monkeypatch.setattr(pictures, "encode", lambda it: encoded.append(it) or real(it))
    served.print(b"something to see")
    clients = [served.client() for _ in range(5)]
    for client in clients:
        client.send(ATTACH, b"{}")
    for client in clients:
        client.wait_until(lambda it=client: it.snapshots == 1)

    assert len(encoded) < len(clients)


def test_the_screen_answers_what_is_its_own_to_answer(served: Served) -> None:
    """Not what a client's terminal has answered, though it comes to it later, in one go."""
    with served.attached(answers=True, from_="end") as elected:
        served.print(QUERY)
        elected.read_until(QUERY)
        elected.type(b"\x1b[1;1R")
        assert served.typed(6) == b"\x1b[1;1R"
    served.wait(lambda: not served.container.websockets)
    served.print(b"text" + QUERY)

    assert served.typed(len(REPLY)) == REPLY


def test_no_query_is_answered_by_two_screens(served: Served) -> None:
    """A new one reads what the one before has answered."""
    served.print(b"text" + QUERY)
    assert served.typed(len(REPLY)) == REPLY
    served.on_loop(served.session.pictures._link.close)
    served.print(b"\r\n\x1b[5n")

    assert served.typed(4) == b"\x1b[0n"


def test_a_query_that_takes_its_time_is_for_one(served: Served) -> None:
    """Also when its beginning was shown to everybody."""
    clients = [served.attached(answers=True, from_="end") for _ in range(2)]
    served.print(b"\x1b[")
    for client in clients:
        client.read_until(b"\x1b[")
    served.print(b"6nrest")
    for client in clients:
        client.read_until(b"rest")

    assert sorted(bytes(client.output) for client in clients) == [
        b"\x1b[\x1b\\rest",
        b"\x1b[6nrest",
    ]
