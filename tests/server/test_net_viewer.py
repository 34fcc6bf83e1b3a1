"""A viewer's law: every byte once and in order or a picture instead, and never too much at once."""

from __future__ import annotations

import os
import random
import socket
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptyd.net.window import CEILING, FLOOR
from served import Served
from session_program import pattern
from wire_client import INPUT, VISIBLE, WireClient

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

PICTURE = 64 << 10
"""Bytes that a snapshot of such a small terminal surely does not reach."""


def journaled(served: Served) -> None:
    """Wait until all that the program wrote is in the journal."""
    served.wait(lambda: served.session.journal.end >= served.program.written)


def drain(client: WireClient, served: Served) -> None:
    """Read until nothing is on its way: what was sent is here, what is held back stays."""
    journaled(served)
    for _ in range(3):
        served.on_loop(lambda: None)
        client.step(0.01)
        before = -1
        while before != client.offset:
            before = client.offset
            client.step(0)


def test_hello_says_where_one_is(served: Served) -> None:
    """Every field of the table, and who asks for nothing gets a controller's place."""
    served.print(b"line one\r\nline two\r\n")
    hello = served.attached(rows=50, cols=132).hello

    assert {name: hello[name] for name in hello if name != "client"} == {
        "event": "hello",
        "protocol": "ptyd.v1",
        "session": 0,
        "epoch": 1,
        "role": "control",
        "drives": True,
        "tty": True,
        "input": 0,
        "doubt": 0,
        "start": 0,
        "end": 20,
        "from": hello["from"],
        "replay": False,
        "snapshot": True,
        "id": 1,
        "rows": 50,
        "cols": 132,
        "name": "brave_otter",
    }
    assert len(bytes.fromhex(hello["client"])) == 16


@pytest.mark.parametrize(
    ("fields", "begin", "replay"),
    [
        ({"from_": "start"}, 0, False),
        ({"from_": "end"}, 100_000, False),
        ({"from_": 12_345}, 12_345, False),
        ({"from_": 12_345, "epoch": 1}, 12_345, False),
        ({"from_": 100_000}, 100_000, False),
    ],
)
def test_one_begins_where_one_wants(
    served: Served, fields: dict[str, Any], begin: int, *, replay: bool
) -> None:
    """An offset is an offset: what follows is the byte at it."""
    served.write(100_000)
    journaled(served)
    client = served.attached(lossless=True, **fields)
    served.write(1000)
    client.wait_until(lambda: client.offset == 101_000)

    assert (client.hello["from"], client.hello["replay"]) == (begin, replay)
    assert client.output == pattern(begin, 101_000 - begin)


@pytest.mark.parametrize("fields", [{"from_": 5, "epoch": 2}, {"from_": 101}, {"from_": 1 << 63}])
def test_a_place_that_is_not_of_this_journal_gives_the_screen(
    served: Served, fields: dict[str, Any]
) -> None:
    """Another epoch's offset, or one that nobody has reached, means nothing here."""
    served.write(100)
    journaled(served)
    client = served.attached(**fields)
    served.print(b"new")
    client.read_until("new")

    assert client.hello["from"] <= 100
    assert client.hello["replay"] or client.snapshots


@given(
    steps=st.lists(st.tuples(st.integers(1, 40_000), st.booleans()), min_size=1, max_size=6),
    seed=st.integers(0, 99),
)
@settings(max_examples=12)
def test_coming_back_at_any_offset_is_never_having_left(
    make_loop: Callable[[], asyncio.AbstractEventLoop], steps: list[tuple[int, bool]], seed: int
) -> None:
    """What was seen before and after, put together, is what the program wrote and read."""
    chance = random.Random(seed)
    with (
        tempfile.TemporaryDirectory(prefix="served") as folder,
        Served(make_loop, Path(folder)) as served,
    ):
        client = served.attached(from_="start", lossless=True)
        seen, typed = bytearray(), bytearray()
        for size, leaves in steps:
            served.write(size)
            stop = chance.randrange(client.offset, served.program.written + 1)
            client.wait_until(lambda stop=stop, client=client: client.offset >= stop)  # type: ignore[misc]
            keys = bytes(33 + n % 90 for n in range(size % 500))
            client.type(keys)
            typed += keys
            if leaves:
                seen += client.output
                client = served._stack.enter_context(client.again())
                start = max(0, client.position - 9)  # some of it is there already
                client.send(INPUT, struct.pack("!Q", start) + bytes(typed[start:]))
                client.position = len(typed)
        client.wait_until(lambda: client.offset == served.program.written)
        seen += client.output
        got = served.typed(len(typed)) if typed else b""

        assert seen == pattern(0, served.program.written)
        assert got == typed


@given(seed=st.integers(0, 10_000))
@settings(max_examples=8)
def test_a_lossless_client_that_reads_by_fits_gets_every_byte(
    make_loop: Callable[[], asyncio.AbstractEventLoop], seed: int
) -> None:
    """Late, early, or not for a while: nothing is missing and nothing comes twice."""
    chance = random.Random(seed)
    with (
        tempfile.TemporaryDirectory(prefix="served") as folder,
        Served(make_loop, Path(folder)) as served,
    ):
        client = served.attached(from_="start", lossless=True, acks=False)
        while served.program.written < 500_000:
            served.write(chance.randrange(1, 60_000))
            if chance.random() < 0.4:
                client.acks = chance.random() < 0.5
                client.step(0.01)
        client.acks = True
        client._acked = -1
        client.wait_until(lambda: client.offset == served.program.written)

        assert client.output == pattern(0, served.program.written)
        assert client.snapshots == 0


@pytest.mark.parametrize(("lossless", "most"), [(False, FLOOR), (True, CEILING)])
def test_who_does_not_acknowledge_gets_a_window(served: Served, lossless: bool, most: int) -> None:  # noqa: FBT001 - pytest's parameter
    """What is in flight is bounded by the window and one picture, however much there is."""
    client = served.attached(from_="start", lossless=lossless, acks=False)
    served.write(1_300_000)
    drain(client, served)

    assert client.offset > 0
    assert len(client.output) <= most + PICTURE
    assert client.snapshots <= 1
    assert served.pending <= most + PICTURE


def test_who_falls_behind_is_shown_a_picture(served: Served) -> None:
    """Then it goes on from there: no gap is silent, and nobody is disconnected for being slow."""
    client = served.attached(from_="start", acks=False)
    served.write(1_300_000)
    journaled(served)
    client.acks = True
    client.wait_until(lambda: client.offset == served.program.written)
    snapshots = client.snapshots
    client.output.clear()
    served.write(3000)
    client.wait_until(lambda: client.offset == served.program.written)

    assert snapshots >= 1
    assert client.output == pattern(1_300_000, 3000)
    assert client.closed is None


def test_bytes_that_were_dropped_are_a_gap(
    make_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    """A lossless client is told exactly which; what follows is what it says."""
    with Served(make_loop, tmp_path, log_max=256 << 10) as served:
        client = served.attached(from_="start", lossless=True, acks=False)
        served.write(2 << 20)
        journaled(served)
        client.acks = True
        client.wait_until(lambda: client.offset == served.program.written)
        gaps = [(e["from"], e["to"]) for e in client.events if e["event"] == "gap"]
        offset, wanted = 0, b""
        for begin, end in [*gaps, (client.offset, client.offset)]:
            wanted += pattern(offset, begin - offset)
            offset = end

        assert gaps
        assert client.output == wanted


def test_a_size_that_was_dropped_is_told_behind_the_gap(
    make_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    """The last one, in its place."""
    with Served(make_loop, tmp_path, log_max=256 << 10) as served:
        client = served.attached(from_="start", lossless=True, acks=False)
        served.write(1_100_000)  # more than is sent unacknowledged
        journaled(served)
        for rows in (30, 31):
            served.on_loop(lambda it=rows: served.session.resize(it, 100))
            served.write(1000)
            journaled(served)
        served.write(2 << 20)
        journaled(served)
        client.acks = True
        client.wait_until(lambda: client.offset == served.program.written)
        sizes = [(e["end"], e["rows"]) for e in client.events if e["event"] == "resized"]
        gaps = [e["to"] for e in client.events if e["event"] == "gap"]

        assert [rows for _, rows in sizes] == [31]
        assert sizes[0][0] in gaps


def test_one_that_does_not_read_costs_a_bounded_amount(piped: Served) -> None:
    """Its socket fills, then nothing more is prepared for it; others are served as ever."""
    stuck = piped.attached(from_="start", acks=False)
    live = piped.attached(from_="start")
    for _ in range(8):
        piped.write(1 << 20)
        live.wait_until(lambda: live.offset == piped.program.written)
    pending = piped.pending
    stuck.acks = True
    stuck.wait_until(lambda: stuck.offset == piped.program.written)

    assert pending <= 2 * CEILING
    assert live.output == stuck.output == pattern(0, 8 << 20)


def test_news_do_not_pile_up_for_who_does_not_read(piped: Served) -> None:
    """They are told the latest when they do."""
    client = piped.attached(from_="start", acks=False)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    piped.channels[-1].socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    piped.write(4 << 20)
    piped.wait(lambda: any(channel.blocked for channel in piped.channels))
    before = piped.pending

    def happen() -> None:
        for number in range(100):
            piped.session.people.rename(client.hello["id"], f"{number}" * 10)
            piped.session._announce()

    piped.on_loop(happen)
    after = piped.pending
    client.acks = True
    client.wait_until(
        lambda: any(
            event["event"] == "clients" and event["clients"][0]["name"] == "99" * 10
            for event in client.events
        )
    )

    assert after == before


def test_a_hidden_tab_is_sent_nothing(served: Served) -> None:
    """And one picture when it is looked at again."""
    client = served.attached(from_="end", hidden=True)
    served.write(200_000)
    drain(client, served)
    hidden = (client.offset, client.snapshots)
    client.send(VISIBLE, b"\x01")
    client.wait_until(lambda: client.offset == 200_000)

    assert hidden == (0, 0)
    assert client.snapshots == 1


def test_blinking_does_not_multiply_pictures(served: Served) -> None:
    """What a viewer can ask for without reading is bounded by its window."""
    served.write(200_000)
    journaled(served)
    client = served.attached(acks=False)
    drain(client, served)
    for _ in range(300):
        client.send(VISIBLE, b"\x00")
        client.send(VISIBLE, b"\x01")
    client.type(b"!")
    served.typed(1)
    drain(client, served)

    assert client.snapshots <= 4


def test_the_size_is_an_event_in_its_place(served: Served) -> None:
    """Between the bytes before and after it; the terminal has it, and everybody is told."""
    watcher, client = served.attached(from_="start"), served.attached()
    served.print(b"before")
    client.resize(40, 100)
    event = watcher.wait_for_event("resized") if not watcher.events[1:] else watcher.events[-1]
    served.print(b"after")
    watcher.read_until("after")

    assert (event["rows"], event["cols"]) == (40, 100)
    assert watcher.output.endswith(b"beforeafter")


def test_the_status_comes_last(served: Served) -> None:
    """After the last byte, then 4000; who comes later is told as well."""
    client = served.attached(from_="start", lossless=True)
    served.write(100_000)
    journaled(served)
    served.exit(42)
    code = client.read_to_end()[0]
    late = served.attached(from_="start", lossless=True)
    late_code = late.read_to_end()[0]

    assert (code, late_code) == (4000, 4000)
    for each in (client, late):
        assert each.output == pattern(0, 100_000)
        assert each.events[-1] == {"event": "exited", "end": 100_000, "status": 42}


def test_errors_come_apart_and_in_place(piped: Served) -> None:
    """Without a terminal there is no picture: everybody is lossless."""
    client = piped.attached(from_="start")
    total = 0
    for number in range(20):
        piped.write(1000)
        journaled(piped)
        os.write(piped.program.err, b"e%02d" % number)
        total += 1003
        client.wait_until(lambda total=total: client.offset == total)  # type: ignore[misc]

    assert not client.hello["tty"]
    assert client.output == pattern(0, 20_000)
    assert client.errors == b"".join(b"e%02d" % n for n in range(20))
