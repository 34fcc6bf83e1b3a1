"""``ptyd upgrade``: another server for a running program, whatever is old, broken or hung."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

import other_release
from waiting import is_alive, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from ptyd_user import Container, Ptyd

ECHO = "stty raw -echo; echo ready; cat"


@pytest.fixture
def older(ptyd: Ptyd, tmp_path: Path) -> Ptyd:
    """A release that says it is an earlier one, for the same containers."""
    folder = tmp_path / "older"
    other_release.copy_packages(folder)
    other_release.say_release(folder, "0.0.9")
    return other_release.ptyd_of(folder, ptyd.root)


def goes_on(container: Container, upgrade: Ptyd, *words: str) -> tuple[int, str, str]:
    """Upgrade beside a client; see that it misses nothing; return what the command said."""
    program = container.pid
    with container.attach() as client:
        client.read_until("ready\n")
        client.type("before ")
        client.read_until("before ")
        done = upgrade("upgrade", *words)
        client.read_to_end()
        again = client.again()
    with again:
        again.type("after")
        again.read_until("after")

    assert client.output + again.output == b"ready\nbefore after"
    assert again.hello["client"] == client.hello["client"]
    assert container.pid == program
    return done.code, done.out.decode(), done.err


def test_the_installed_version_takes_over(ptyd: Ptyd, older: Ptyd) -> None:
    """It says what ran and what runs; the next server that is needed is of the new version."""
    container = older.start("--name", "it", "sh", "-c", ECHO)
    before = ptyd("upgrade", "--check", "it").out
    said = goes_on(container, ptyd, "it")
    container.replace_server()

    assert before == b"it: 0.0.9, installed is 0.1.0\n"
    assert said == (0, "it: 0.0.9 -> 0.1.0\n", "")
    assert ptyd("upgrade", "--check", "it").out == b"it: 0.1.0\n"


def test_all_that_run_are_upgraded(ptyd: Ptyd, older: Ptyd) -> None:
    """And none that has ended."""
    for name in ("one", "two"):
        older.start("--name", name, "cat").server_pid()
    older("run", "--name", "three", "true")
    ptyd("rm", "-f", "three")
    older("run", "--name", "four", "true")
    done = ptyd("upgrade", "--all")

    assert done.code == 0
    assert {"one: 0.0.9 -> 0.1.0", "two: 0.0.9 -> 0.1.0"} <= set(done.out.decode().splitlines())
    assert ptyd("upgrade", "--check", "one", "two").out == b"one: 0.1.0\ntwo: 0.1.0\n"


def test_the_same_version_is_put_in_place_again(ptyd: Ptyd) -> None:
    """Its files may have changed all the same."""
    container = ptyd.start("--name", "it", "sh", "-c", ECHO)
    old = container.server_pid()

    assert goes_on(container, ptyd, "it") == (0, "it: 0.1.0 -> 0.1.0\n", "")
    assert container.server_pid() != old


def test_a_hung_server_is_replaced(ptyd: Ptyd) -> None:
    """It cannot say what it was."""
    container = ptyd.start("--name", "it", "cat")
    hung = container.server_pid()
    os.kill(hung, signal.SIGSTOP)
    done = ptyd("upgrade", "it")

    assert done == (0, b"it: ? -> 0.1.0\n", "")
    assert not is_alive(hung)


def test_one_that_does_not_start_is_taken_back(ptyd: Ptyd, tmp_path: Path) -> None:
    """The keeper and the program go on, the server before serves again; one line says so."""
    broken = tmp_path / "broken"
    other_release.copy_packages(broken)
    (broken / "ptyd" / "server.py").write_text("raise SystemExit('this release is broken')\n")
    container = ptyd.start("--name", "it", "sh", "-c", ECHO)
    container.server_pid()
    code, out, err = goes_on(container, other_release.ptyd_of(broken, ptyd.root), "it")

    assert (code, out) == (1, "")
    assert err == (
        "ptyd upgrade: it: the new server does not start (this release is broken), "
        "the one before serves it again\n"
    )
    assert is_alive(container.keeper_pid)


def test_a_keeper_of_an_earlier_release_takes_a_new_server(ptyd: Ptyd, tmp_path: Path) -> None:
    """Real sources of before exec, installed over: their keeper goes on with today's server."""
    folder = tmp_path / "installed"
    other_release.unpack_packages(other_release.BEFORE_EXEC, folder)
    then = other_release.ptyd_of(folder, ptyd.root)
    identity = then("run", "-d", "--name", "it", "sh", "-c", ECHO).out.decode().strip()
    container = ptyd.container(identity)
    with container.attach() as client:
        client.read_until("ready\n")  # and all that a server imports late is there
    shutil.move(folder, tmp_path / "old")
    other_release.copy_packages(folder)  # as pip install --upgrade does
    said = goes_on(container, other_release.ptyd_of(folder, ptyd.root), "it")
    refused = ptyd("exec", "it", "true")

    assert said == (0, "it: ? -> 0.1.0\n", "")
    assert (refused.code, len(refused.err.splitlines())) == (1, 1)
    assert ptyd("stop", "it").code == 0
    assert ptyd("logs", "it").out == b"ready\nbefore after"


@pytest.mark.parametrize(
    "words",
    [["nobody"], ["ended"], [], ["--all", "ended"]],
    ids=["nobody", "ended", "nothing", "both"],
)
def test_what_cannot_be_upgraded_is_one_line(ptyd: Ptyd, words: list[str]) -> None:
    """125, and nothing is touched."""
    ptyd("run", "--name", "ended", "true")
    wait_until(lambda: ptyd.inspect("ended")["KeeperPid"] is None)  # who was told has left
    done = ptyd("upgrade", *words)

    assert (done.code, done.out, len(done.err.splitlines())) == (125, b"", 1)


def test_nothing_to_upgrade_is_no_error(ptyd: Ptyd) -> None:
    """``--all`` of none."""
    assert ptyd("upgrade", "--all") == (0, b"", "")
