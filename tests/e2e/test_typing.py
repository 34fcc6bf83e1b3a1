"""Input: exactly once, in order, from those who may, whatever happens to connections."""

from __future__ import annotations

import hashlib
import random
import struct
from typing import TYPE_CHECKING

import pytest

from waiting import wait_until
from wire_client import INPUT, STDIN_EOF, Refusal

if TYPE_CHECKING:
    from ptyd_user import Container, Ptyd
    from wire_client import WireClient

RAW_CAT = ["sh", "-c", "stty raw -echo; printf ready; cat"]


def numbered(count: int) -> bytes:
    return b"".join(b"line %06d\n" % number for number in range(count))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_input_is_typed_exactly_once_over_broken_connections(ptyd: Ptyd, seed: int) -> None:
    """The connection breaks at random moments; the program reads every byte once."""
    data = numbered(15_000)
    script = f"stty raw -echo; printf ready; head -c {len(data)} | sha256sum"
    container = ptyd.start("sh", "-c", script)
    chance = random.Random(seed)
    client = container.attach(container.link())
    client.read_until("ready")
    breaks = 0
    while client.position < len(data):
        # As much as is allowed, and gone in the middle of it, acknowledged or not.
        for _ in range(chance.randint(1, 12)):
            if client.position - client.taken < 56 << 10:
                client.type(data[client.position :][: chance.randint(1, 8000)])
        client = client.again()
        breaks += 1
    with client:
        client.read_to_end()

    assert breaks > 3
    assert client.output.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_input_is_typed_at_most_once_over_a_servers_death(ptyd: Ptyd) -> None:
    """What is missing was in doubt, and the client was told how much."""
    data = numbered(10_000)
    container = ptyd.start(*RAW_CAT)
    program = container.pid
    chance = random.Random(4)
    client = container.attach(hold=True)
    client.read_until("ready")
    output = b""
    doubt = kills = 0
    while client.position < len(data):
        client.type(data[client.position :][: chance.randint(1, 30_000)])
        if client.position < len(data):
            container.kill_server()
            client.read_to_end()
            output += client.output
            client = client.again(hold=True)
            doubt += client.hello["doubt"]
            kills += 1
    with client:
        client.wait_until(lambda: client.taken == len(data))
        client.wait_until(lambda: client.offset >= len("ready") + len(data) - doubt)
        output += client.output
    known = set(data.splitlines())
    whole = [line for line in output.removeprefix(b"ready").split(b"\n") if line in known]

    assert container.pid == program
    assert kills > 3
    assert len(data) - doubt <= len(output) - len("ready") <= len(data)
    assert whole == sorted(set(whole)), "a line came twice, or out of its place"


def test_sending_again_what_was_typed_is_harmless(ptyd: Ptyd) -> None:
    """Positions that lie behind are ignored."""
    container = ptyd.start(*RAW_CAT)
    with container.attach() as client:
        client.read_until("ready")
        client.type("once")
        client.position = len("once more")
        client.send(INPUT, struct.pack("!Q", 0) + b"once more")
        client.read_until("readyonce more")
        client.send(INPUT, struct.pack("!Q", 4) + b" more")
        client.type(".")
        client.read_until(".")

        assert client.output == b"readyonce more."
        assert client.taken == 10


def test_input_that_leaves_a_hole_is_a_violation(ptyd: Ptyd) -> None:
    """Close code 4002, and nothing of it is typed."""
    container = ptyd.start(*RAW_CAT)
    with container.attach() as client:
        client.read_until("ready")
        client.send(INPUT, struct.pack("!Q", 5) + b"from nowhere")
        code, _ = client.read_to_end()
    with container.attach() as other:
        other.type("fine")
        other.read_until("fine")

    assert code == 4002
    assert other.output == b"readyfine"


def test_two_controllers_both_type(ptyd: Ptyd) -> None:
    """Each line is whole, and both see both."""
    container = ptyd.start("cat")
    link = container.link()
    with container.attach(link) as one, container.attach(link) as two:
        for _ in range(20):
            one.type("one\n")
            two.type("two\n")
        for client in (one, two):
            client.wait_until(lambda c=client: c.offset >= 20 * 2 * 2 * len("one\r\n"))

        assert one.output == two.output
        assert sorted(one.output.split()) == [b"one"] * 40 + [b"two"] * 40


def test_a_view_token_gives_no_more_than_a_view(ptyd: Ptyd) -> None:
    """Its typing, sizes, signals and ends of input change nothing, whatever role it asks for."""
    container = ptyd.start("sh", "-c", "echo up; cat; stty size")
    with (
        container.attach() as owner,
        container.attach(container.link("view"), role="control", rows=7, cols=9) as viewer,
    ):
        viewer.read_until("up")
        viewer.send(INPUT, struct.pack("!Q", 0) + b"intruder\n")
        viewer.resize(5, 6)
        viewer.signal("KILL")
        viewer.send(STDIN_EOF)
        owner.type("owner\n")
        owner.read_until("owner\r\nowner\r\n")
        owner.end_stdin()
        viewer.read_to_end()
        owner.read_to_end()

    assert viewer.hello["role"] == "view"
    assert owner.hello["role"] == "owner"
    assert b"intruder" not in owner.output
    assert viewer.output == owner.output
    assert owner.output.endswith(b"24 80\r\n")
    assert owner.events[-1]["status"] == 0


def test_a_size_is_an_event_in_its_place_for_everybody(ptyd: Ptyd) -> None:
    """A controller's window sets the terminal's size; the latest who types has it."""
    container = ptyd.start("sh", "-c", "while read x; do stty size; done")
    with container.attach(rows=30, cols=90) as one, container.attach(rows=40, cols=70) as two:
        one.type("\n")
        one.read_until("30 90\r\n")
        two.type("\n")
        two.read_until("40 70\r\n")
        one.resize(31, 91)
        one.type("\n")
        one.read_until("31 91\r\n")
        sizes = [(e["rows"], e["cols"]) for e in two.events if e["event"] == "resized"]

    assert sizes[-2:] == [(30, 90), (40, 70)] or sizes[-3:] == [(30, 90), (40, 70), (31, 91)]


@pytest.mark.parametrize("mode", ["--tty", "--no-tty"])
def test_a_controller_may_signal(ptyd: Ptyd, mode: str) -> None:
    """By name, as kill(1) has it."""
    script = "trap 'echo caught; exit 4' TERM; echo ready; sleep infinity & wait"
    container = ptyd.start(mode, "bash", "-c", script)
    with container.attach(container.link()) as client:
        client.read_until("ready")
        client.signal("NOSUCH")
        client.signal("TERM")
        code, _ = client.read_to_end()

    assert code == 4000
    assert b"caught" in client.output
    assert client.events[-1]["status"] == 4


def test_a_token_that_has_expired_is_refused(ptyd: Ptyd) -> None:
    """As a wrong one is; who is attached stays."""
    container = ptyd.start("cat")
    done = ptyd("share", "--expires", "1s", container.name)
    link = done.out.decode().strip()
    with container.attach(link) as client:
        refused = until_refused(container, link)
        with container.attach() as owner:
            owner.type("on\n")
        client.read_until("on\r\n")

    assert refused == 401


def until_refused(container: Container, link: str) -> int:
    status: list[int] = []

    def refused() -> bool:
        try:
            client: WireClient = container.attach(link)
        except Refusal as refusal:
            status.append(refusal.status)
            return True
        client.close()
        return False

    wait_until(refused, what="the token expires")
    return status[0]
