"""What a viewer may do: its role, its typing, and who is asked to act on it."""

from __future__ import annotations

import select
import signal
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from ptyd.session.session import HOLD_LAG
from waiting import wait_until
from wire_client import ACK, INPUT

if TYPE_CHECKING:
    from served import Served

REQUEST = 23
CLIENT = "0123456789abcdef0123456789abcdef"


def journaled(served: Served) -> None:
    """Wait until all that the program wrote is in the journal."""
    served.wait(lambda: served.session.journal.end >= served.program.written)


def test_a_viewer_only_watches(served: Served) -> None:
    """Its typing, its window and its signals change nothing; a token gives no more than it says."""
    viewer = served.attached(served.share("view"), rows=5, cols=5, role="control")
    typist = served.attached(rows=24, cols=80)
    viewer.type(b"rm -rf")
    viewer.resize(6, 6)
    viewer.signal("KILL")
    viewer.end_stdin()
    served.print(b"mark")
    viewer.read_until("mark")
    typist.type(b"ls")

    assert viewer.hello["role"] == "view"
    assert served.typed(2) == b"ls"
    assert served.session.size == (24, 80)
    assert served.requests == []


def test_less_may_be_asked_for(served: Served) -> None:
    """A controller that only wants to watch; an owner that wants to be a controller."""
    assert served.attached(role="view").hello["role"] == "view"
    assert served.attached(role="owner").hello["role"] == "control"
    assert served.owner(role="control").hello["role"] == "control"


def test_signals_go_to_the_keeper(served: Served) -> None:
    """The seven of the table from a controller, any from an owner, none that does not exist."""
    controller, owner = served.attached(), served.owner()
    for name in ("INT", "KILL", "USR1", "STOP", "NONSENSE"):
        controller.signal(name)
    controller.type(b"1")
    served.typed(1)
    asked = [request["signal"] for request in served.requests]
    for name in ("USR1", "10", "NONSENSE"):
        owner.signal(name)
    owner.type(b"2")
    served.typed(1)

    assert asked == [signal.SIGINT, signal.SIGKILL]
    assert [request["signal"] for request in served.requests[2:]] == [signal.SIGUSR1]


def test_input_is_acknowledged_when_the_program_has_it(served: Served) -> None:
    """By position; sent again it is not typed again."""
    client = served.attached()
    client.type(b"hello")
    client.wait_until(lambda: client.taken == 5)
    client.send(INPUT, struct.pack("!Q", 2) + b"llo!")
    client.position = 6
    client.wait_until(lambda: client.taken == 6)

    assert served.typed(6) == b"hello!"


def test_a_client_that_comes_back_goes_on_typing(served: Served) -> None:
    """Its position is in hello; what it was not told of is not lost."""
    client = served.attached(client=CLIENT)
    client.type(b"first ")
    assert served.typed(6) == b"first "
    client.close()
    again = served.attached(client=CLIENT)
    again.type(b"second")

    assert again.hello["client"] == CLIENT
    assert again.hello["input"] == 6
    assert served.typed(6) == b"second"


def test_a_driver_that_comes_back_drives(served: Served) -> None:
    """Though nobody has noticed yet that its old connection is dead."""
    served.session.people.one_driver = True
    old = served.attached(client=CLIENT)
    other = served.attached()
    old.type(b"a")
    assert served.typed(1) == b"a"
    again = served.attached(client=CLIENT)
    other.type(b"x")
    other.wait_until(lambda: other.taken == 1)
    again.type(b"b")

    assert served.typed(1) == b"b"
    assert served.session.people.driver == again.hello["id"]


def test_one_client_has_one_connection(served: Served) -> None:
    """The older one is closed, so that two never swallow each other's input."""
    old = served.attached(client=CLIENT)
    again = served.attached(client=CLIENT)

    assert old.read_to_end()[0] == 4006
    again.type(b"a")
    assert served.typed(1) == b"a"


def test_who_loses_the_turn_goes_on_being_served(served: Served) -> None:
    """Also with input that the program has not taken: what is typed now is after that."""
    served.session.people.one_driver = True
    driver, owner = served.attached(), served.owner()
    driver.type(bytes(60_000))  # more than a terminal takes
    served.wait(lambda: served.session.input._waiting)
    owner.send(REQUEST, b'{"request":"drive"}')
    served.wait(lambda: served.session.people.driver == owner.hello["id"])
    for key in b"abc":
        driver.send(INPUT, struct.pack("!QB", driver.position, key))
        driver.position += 1
    served.typed(60_000)
    driver.wait_until(lambda: driver.taken == driver.position or driver.closed is not None)

    assert driver.closed is None


def test_a_window_goes_with_its_client(served: Served) -> None:
    """Also one whose end is noticed when what it typed is acknowledged, before its last words."""
    client = served.owner(rows=24, cols=80)

    def leave() -> None:
        client.send(INPUT, bytes(8) + b"x")
        client.resize(7, 9)
        client.close()

    served.on_loop(leave)
    served.wait(lambda: not served.container.websockets)
    served.attached(rows=30, cols=100)

    assert served.session.sizes._sizes.choose() == (30, 100)
    assert len(served.session.sizes._sizes._offers) == 1


@pytest.mark.parametrize("way", ["a unix socket", "a reset", "an end"])
def test_who_is_not_read_and_goes_is_forgotten(served: Served, way: str) -> None:
    """Its window as well, though the program takes none of what it typed."""
    size = {"rows": 5, "cols": 5}
    client = served.owner(**size) if way == "a unix socket" else served.attached(**size)
    client.wait_for_event("clients")
    for _ in range(8):
        client.send(INPUT, struct.pack("!Q", client.position) + bytes(60_000))
        client.position += 60_000
    served.wait(lambda: not any(channel.is_listening for channel in served.channels))
    while select.select([client], [], [], 0.5)[0]:  # told of what the terminal takes, and by whom
        client.step(0)
    if way == "a reset":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    served.beat(0)
    served.wait(lambda: not served.container.websockets)

    assert served.session.sizes._sizes.choose() is None


def test_end_of_input_reaches_the_program_and_the_keeper(piped: Served) -> None:
    """The pipe's last write end is the keeper's to close."""
    client = piped.attached()
    client.type(b"all there is")
    client.end_stdin()
    got = piped.typed(12)
    piped.wait(lambda: piped.requests)

    assert got == b"all there is"
    assert piped.requests == [{"type": "close-stdin", "session": 0}]


def test_only_an_owner_may_hold(served: Served) -> None:
    """Or anybody with a link could stop the program."""
    controller = served.attached(from_="start", hold=True, lossless=True, acks=False)
    served.write(1 << 20)
    journaled(served)

    assert controller.hello["role"] == "control"
    assert served.session.journal.end == 1 << 20


def test_a_holder_holds_by_what_it_acknowledged(served: Served) -> None:
    """What was sent to it may still be on its way: the program waits for its acks, and goes on."""
    owner = served.owner(from_="start", hold=True, lossless=True)
    owner.acks = False

    def waits() -> bool:
        owner.step(0)
        return not (
            served.program.write(1 << 16) or served.on_loop(lambda: served.session._reading)
        )

    wait_until(waits)
    held_at = served.session.journal.end
    owner.wait_until(lambda: owner.offset == held_at)
    owner.send(ACK, struct.pack("!Q", owner.offset))
    served.write(100_000)
    owner.wait_until(lambda: owner.offset == served.program.written)

    assert HOLD_LAG < held_at <= HOLD_LAG + (128 << 10)
