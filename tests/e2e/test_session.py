"""``ptyc.Session`` and its asyncio twin, and the examples of the documentation."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ptyc import AsyncSession, Session, SessionEnded, SessionError

if TYPE_CHECKING:
    from ptyd_user import Container, Ptyd

EXAMPLES = Path(__file__).parent.parent.parent / "docs" / "examples"


@pytest.fixture
def shell(ptyd: Ptyd, monkeypatch: pytest.MonkeyPatch) -> Container:
    monkeypatch.setenv("PTYD_ROOT", ptyd.root)
    return ptyd.start("--network", "none", "-e", "PS1=$ ", "sh")


def test_nothing_between_two_calls_is_missed(shell: Container) -> None:
    """Nor is anything found twice: each match goes on where the one before it ended."""
    session = Session(shell.name)
    session.send("seq 5", keys="Enter")
    first = session.expect(r"^3$")
    second = session.expect(r"^\d$")
    session.send("echo fin", keys="Enter")
    last = session.expect(r"^fin$", where="both")

    assert first.where == "stream"
    assert first.before.endswith("seq 5\n1\n2\n")
    assert second.match[0] == "4"
    assert last.match[0] == "fin"
    assert session.screen().text.startswith("$ seq 5\n1\n2\n3\n4\n5\n$ echo fin\nfin\n$")


def test_the_death_of_the_server_is_not_noticed(shell: Container) -> None:
    """Neither between calls nor in the middle of one."""
    session = Session(shell.name)
    session.send("read x; seq 100000; echo fin", keys="Enter")
    shell.replace_server()
    session.send("go", keys="Enter")
    shell.kill_server()
    found = session.expect(r"^fin$", timeout=60)

    # Of what scrolled far away only the end is kept for a match to look back at.
    assert found.before.endswith("\n99999\n100000\n")


def test_time_and_end_are_told_apart(shell: Container) -> None:
    """TimeoutError, and SessionEnded with the status; neither loses its place in the stream."""
    session = Session(shell.name)
    session.send("echo here", keys="Enter")
    with pytest.raises(TimeoutError):
        session.expect("never", timeout=0.2)
    assert session.expect("^here$").match[0] == "here"
    session.send("exit 3", keys="Enter")
    with pytest.raises(SessionEnded) as ended:
        session.expect("never")

    assert ended.value.status == 3


def test_asyncio_does_other_things_meanwhile(shell: Container) -> None:
    """Two wait for each other on one loop."""

    async def both() -> str:
        watcher = await AsyncSession.open(shell.name, view=True)
        typist = await AsyncSession.open(shell.link())
        waiting = asyncio.create_task(watcher.expect(r"^4\d$", timeout=40))
        await typist.send("echo $((6*7))", keys="Enter")
        with pytest.raises(TimeoutError):
            await typist.expect("never", timeout=0.1)
        found = await waiting
        return found.match[0] + (await typist.screen()).lines[1].text

    assert asyncio.run(both()) == "4242"


def test_who_may_not_type_is_told(ptyd: Ptyd, shell: Container) -> None:
    """A link to watch, a session opened to watch, and one where it is another's turn."""
    for session in (Session(shell.link("view")), Session(shell.name, view=True)):
        with pytest.raises(SessionError, match="watch only"):
            session.send("x")
    driven = ptyd.start("--network", "none", "--one-driver", "cat")
    with driven.attach(role="control") as driver:
        driver.type("mine\n")
        driver.read_until("mine\r\nmine\r\n")
        with pytest.raises(SessionError, match="the turn of another"):
            Session(driven.link()).send("x")


def test_what_cannot_be_opened_is_one_line(shell: Container) -> None:
    """Names, links and tokens that lead nowhere."""
    with pytest.raises(SessionError, match="no such container: nobody"):
        Session("nobody")
    with pytest.raises(SessionError, match="token"):
        Session(f"127.0.0.1:{shell.port()}", token="x" * 22)


def example(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_example_that_runs_a_command(shell: Container) -> None:
    """It prints what the command printed, and ends as it did."""
    done = example("make_and_report.py", shell.name, "echo out; (exit 5)")

    assert (done.returncode, done.stderr) == (5, "")
    assert done.stdout.endswith("\nout\n")


def test_the_example_that_watches_many(ptyd: Ptyd, shell: Container) -> None:
    """The first that shows it is printed, and the others are let go."""
    other = ptyd.start("--network", "none", "sh", "-c", "echo all is well; cat")
    Session(shell.name).send("echo Err''or", keys="Enter")
    done = example("watch_many.py", "^Error", other.name, shell.name)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{shell.name}:\n$ echo Err''or\nError\n")


def test_an_interrupted_wait_leaves_nothing(shell: Container) -> None:
    """Ctrl-C in a script ends it at once, as in any other."""
    script = f"import ptyc; ptyc.Session({shell.name!r}).expect('never', timeout=None)"
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) as waiting:
        shell.ptyd("expect", "--timeout", "0.2", shell.name, "never")
        os.kill(waiting.pid, signal.SIGINT)
        _, errors = waiting.communicate(timeout=40)

    assert b"KeyboardInterrupt" in errors
