"""Many readers of one session: each gets every byte, none harms another."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from waiting import wait_until
from wire_client import Place, WireClient, drive

if TYPE_CHECKING:
    from ptyd_user import Container, Ptyd

LAST = 70_000
PRINTED = b"".join(b"%d\n" % number for number in range(1, LAST + 1))
SCRIPT = f"stty raw -echo; printf 'ready\\n'; head -c1 >/dev/null; seq 1 {LAST}"
"""Prints 400 kB once somebody types a byte."""


@pytest.fixture
def printer(ptyd: Ptyd) -> Container:
    return ptyd.start("--raw", "0", "sh", "-c", SCRIPT)


def raw_client(container: Container) -> socket.socket:
    return socket.create_connection(("127.0.0.1", container.port("raw")), timeout=20)


def read_to_end(sock: socket.socket) -> bytes:
    data = b""
    while piece := sock.recv(1 << 20):
        data += piece
    return data


def test_a_hundred_viewers_get_every_byte(printer: Container) -> None:
    """80 on the wire and 20 raw, all at once, each of 400 kB, and the exit."""
    place = Place.of_link(printer.link("view"))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(WireClient(place)) for _ in range(80)]
        for client in clients:
            client.attach(from_="start", lossless=True)
        raw = [stack.enter_context(raw_client(printer)) for _ in range(20)]
        for client in clients:
            client.read_until("ready\n")
        with printer.attach() as typist:
            typist.type("!")
            # Raw clients in one thread with the others: their bytes fit into the kernel's buffers.
            drive([*clients, typist])
            raw_output = [read_to_end(sock) for sock in raw]

        assert {bytes(client.output) for client in clients} == {b"ready\n" + PRINTED}
        assert {client.closed for client in clients} == {(4000, "exited")}
        assert set(raw_output) == {b"ready\n" + PRINTED}


def test_three_stalled_viewers_harm_nobody(ptyd: Ptyd) -> None:
    """One that never reads, one that never acknowledges, one raw that never reads."""
    script = "stty raw -echo; printf 'ready\\n'; head -c1 >/dev/null; seq 1 3000000; echo end"
    container = ptyd.start("--raw", "0", "sh", "-c", script)
    link = container.link("view")
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(container.attach(link))
        mute = stack.enter_context(container.attach(link, acks=False))
        stack.enter_context(raw_client(container))
        reader = stack.enter_context(container.attach())
        reader.read_until("ready\n")
        mute.read_until("ready\n")
        reader.type("!")
        code, _ = reader.read_to_end()
        status = container.wait_for_status()

        assert (code, status) == (4000, 0)
        assert reader.output.endswith(b"\n3000000\nend\n")
        assert (
            len(reader.output)
            == len("ready\nend\n")
            + sum((digits + 1) * 9 * 10 ** (digits - 1) for digits in range(1, 7))
            + 8 * 2_000_001
        )
        assert deaf.closed is None


def test_a_slow_viewer_gets_a_picture_not_a_backlog(ptyd: Ptyd) -> None:
    """Who is not lossless and falls behind is shown a snapshot and goes on from its end."""
    script = "stty raw -echo; echo ready; head -c1 >/dev/null; seq 1 2000000; echo end; cat"
    container = ptyd.start("sh", "-c", script)
    with container.attach(lossless=False, from_="end") as slow, container.attach() as fast:
        fast.read_until("ready\n")
        fast.type("!")
        wait_until(lambda: fast.step(0.1) or b"end\n" in fast.output, fast.fileno())
        slow.wait_until(lambda: slow.offset == fast.offset)

        assert slow.snapshots > 0


def test_a_lossless_reader_that_is_overtaken_is_told_of_the_gap(ptyd: Ptyd) -> None:
    """From where to where; what follows is exact again."""
    script = "stty raw -echo; printf 'ready\\n'; head -c1 >/dev/null; seq 1 1500000"
    container = ptyd.start("--log-max", "256k", "sh", "-c", script)
    with container.attach() as late, container.attach() as typist:
        late.read_until("ready\n")
        typist.type("!")
        container.wait_for_status()
        late.read_to_end()
        gaps = [event for event in late.events if event["event"] == "gap"]
        printed = b"ready\n" + b"".join(b"%d\n" % number for number in range(1, 1_500_001))

    assert gaps
    expected = bytearray(printed)
    for gap in reversed(gaps):
        del expected[gap["from"] : gap["to"]]
    assert late.output == expected


def test_an_overtaken_foreground_reader_ends_with_1_and_a_line(ptyd: Ptyd) -> None:
    """``logs -f`` says what is missing, on stderr, and 1 is its status."""
    script = "echo ready; read go; seq 1 1500000; read go"
    container = ptyd.start("--no-tty", "--log-max", "256k", "sh", "-c", script)
    with ptyd.background("ptyd", "logs", "-f", container.name) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        with container.attach(from_="end") as client:
            client.type("\n")
            client.read_until("1500000\n")
            client.type("\n")
            client.read_to_end()
        process.send_signal(signal.SIGCONT)
        output = process.stdout.read()
        errors = process.stderr.read().decode()
        code = process.wait(20)

    assert ready == b"ready\n"
    assert output.endswith(b"\n1500000\n")
    assert code == 1
    assert errors.count("were dropped") >= 1


def test_a_holder_that_vanishes_with_something_unread_lets_go(ptyd: Ptyd) -> None:
    """The program waits for it, but not for a ghost: not until a heartbeat finds out."""
    script = "stty raw -echo; printf 'ready\\n'; head -c1 >/dev/null; seq 1 1000000"
    container = ptyd.start("sh", "-c", script)
    with container.attach(acks=False, hold=True) as holder:
        holder.read_until("ready\n")
        holder.type("!")
        # Nothing is read or acknowledged any more: the program stops for it.
        wait_until(lambda: len(container.journal()) > 256 << 10, what="the flood")
        assert container.state()["status"] == "running"
    wait_until(lambda: container.state()["status"] == "exited", within=8)


def test_a_late_lossless_viewer_is_shown_a_replay_that_begins_at_a_line(ptyd: Ptyd) -> None:
    """At most 64 KiB, said in hello; ``start`` gives everything, ``end`` nothing."""
    container = ptyd.start("sh", "-c", "seq 1 30000; echo end; cat")
    with container.attach() as client:
        client.read_until("end\r\n")
        end = client.offset
    with container.attach(from_="snapshot") as client:
        client.read_until("end\r\n")
        hello, output = client.hello, bytes(client.output)
    with container.attach(from_="end") as nothing:
        pass
    with container.attach(from_=end - 5) as tail:
        tail.read_until("end\r\n")

    assert hello["replay"] is True
    assert hello["end"] - hello["from"] <= 64 << 10
    assert output.startswith(output.split(b"\r\n")[0] + b"\r\n")
    assert int(output.split(b"\r\n")[0]) == 30001 - output.count(b"\r\n") + 1
    assert nothing.hello["from"] == end
    assert (tail.output, tail.hello["replay"]) == (b"end\r\n", False)


def test_a_hidden_viewer_gets_nothing_and_one_snapshot_on_return(ptyd: Ptyd) -> None:
    """A tab in the background costs nothing."""
    container = ptyd.start("cat")
    with container.attach(lossless=False, hidden=True) as hidden, container.attach() as typist:
        typist.type("words\n")
        typist.read_until("words\r\nwords\r\n")
        quiet = not select.select([hidden], [], [], 0.1)[0]
        hidden.send(22, b"\x01")
        hidden.read_until("words\r\nwords\r\n")

        assert quiet
        assert hidden.snapshots == 1
