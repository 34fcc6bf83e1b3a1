"""The screen: late joiners see it, queries are answered once, and nothing it does harms anybody."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from waiting import wait_for_end, wait_until

if TYPE_CHECKING:
    from ptyd_user import Container, Ptyd

QUERY = "'\\033[6n'"
ASKING = (
    "stty raw -echo; printf 'ready\\r'; read -r -n1 x; "
    f"printf {QUERY}; head -c 6 | od -An -c; sleep 100"
)


def screen_pid(container: Container) -> int | None:
    """Return the pid of the session's screen, a child of its keeper."""
    keeper = container.keeper_pid
    children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    for child in children:
        if b"/screen/__main__.py" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return None


def test_a_late_viewer_sees_the_alternate_screen(ptyd: Ptyd) -> None:
    """What a full-screen program drew long ago, and what it left beneath."""
    script = (
        "stty -echo; printf 'beneath\\n\\033[?1049h\\033[2J\\033[3;5Habove\\033[10;1H'; "
        "seq 1 20000 | tr '\\n' '\\r'; printf 'drawn\\r'; cat"
    )
    container = ptyd.start("sh", "-c", script)
    with container.attach() as first:
        first.read_until("drawn")
    with container.attach(lossless=False, from_="snapshot", rows=24, cols=80) as late:
        late.wait_until(lambda: late.snapshots == 1)
        picture = bytes(late.output)

    assert late.hello["snapshot"] is True
    assert b"above" in picture
    assert b"drawn" in picture
    assert picture.index(b"beneath") < picture.index(b"\x1b[?1049h")


def test_the_screen_reads_on_though_nobody_looks(ptyd: Ptyd) -> None:
    """Who comes after much output is not kept waiting for all of it."""
    container = ptyd.start("sh", "-c", "yes | head -c 10000000; exec cat")

    wait_until(lambda: list(Path(container.journal_folder).glob("*.snap")), what="a kept state")
    assert screen_pid(container) is not None


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP])
def test_a_screen_that_dies_or_hangs_harms_nobody(ptyd: Ptyd, fate: signal.Signals) -> None:
    """Who asks meanwhile is shown the last lines, who asks later a picture of a new screen."""
    container = ptyd.start("sh", "-c", "echo something to see; exec cat")
    with container.attach(lossless=False, from_="snapshot") as typist:
        typist.wait_until(lambda: typist.snapshots == 1)
        pid = screen_pid(container)
        assert pid is not None
        os.kill(pid, fate)
        with container.attach(lossless=False, from_="snapshot") as late:
            late.wait_until(lambda: late.snapshots == 1)
            assert b"something to see" in late.output
        typist.type("still here\n")
        typist.read_until("still here\r\nstill here\r\n")
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), what="the old screen's end")
        again: list[int] = []

        def started() -> bool:
            with container.attach(lossless=False, from_="snapshot") as later:
                later.wait_until(lambda: later.snapshots == 1)
            again.extend([p for p in [screen_pid(container)] if p not in (None, pid)])
            return bool(again)

        wait_until(started, what="another screen")


def test_a_screen_that_hangs_ends_with_its_server(ptyd: Ptyd) -> None:
    """It does not hear that the server is gone, and nobody else knows it."""
    container = ptyd.start("cat")
    with container.attach(lossless=False, from_="snapshot") as viewer:
        viewer.wait_until(lambda: viewer.snapshots == 1)
        pid = screen_pid(container)
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        container.replace_server()

        wait_for_end(pid)


def test_the_screen_answers_where_nobody_can(ptyd: Ptyd) -> None:
    """Once, also with clients attached that have no terminal."""
    container = ptyd.start("bash", "-c", ASKING)
    with container.attach(lossless=False) as one, container.attach() as two:
        two.read_until("ready")
        two.type("!")
        two.read_until(b"[   1   ;   1   R")

        assert b"\x1b[6n" not in one.output
        assert b"\x1b[6n" in two.output  # lossless is every byte


def test_one_elected_terminal_answers(ptyd: Ptyd) -> None:
    """It alone gets the query; another's reply is dropped, its own is typed."""
    container = ptyd.start("bash", "-c", ASKING)
    with (
        container.attach(lossless=False, answers=True) as other,
        container.attach(lossless=False, answers=True) as elected,
    ):
        elected.read_until("ready")
        elected.type("!")
        elected.read_until(b"\x1b[6n")
        other.type(b"\x1b[9;9R")
        elected.type(b"\x1b[7;7R")
        elected.read_until(b"[   7   ;   7   R")

        assert b"\x1b[6n" not in other.output
        assert any(event == {"event": "answerer", "answers": True} for event in elected.events)


def test_a_size_may_be_fixed_or_the_smallest(ptyd: Ptyd) -> None:
    """By run, and changed while running; who leaves does not count."""
    container = ptyd.start("--size", "smallest", "sh", "-c", "while read x; do stty size; done")
    with container.attach(rows=30, cols=90) as one:
        with container.attach(rows=40, cols=70) as two:
            two.type("\n")
            two.read_until("30 70\r\n")
        sizes = [e for e in one.events if e["event"] == "resized"]
        one.wait_until(
            lambda: any(
                (e["cols"], e["end"] > 0) == (90, True)
                for e in one.events
                if e["event"] == "resized"
            ),
            what=f"its own size again after {sizes}",
        )
        one.type("\n")
        one.read_until("30 90\r\n")
        assert ptyd("size", container.name, "20x60").code == 0
        one.type("\n")
        one.read_until("20 60\r\n")
        one.resize(65535, 0)
        one.resize(0, 0)
        one.type("\n")
        one.wait_until(lambda: one.output.count(b"20 60\r\n") == 2)
