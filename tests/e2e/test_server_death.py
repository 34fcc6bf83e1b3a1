"""The server is killed, replaced, hung or cannot start: the program and its clients go on."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ptyd_user import Ptyd
from server_killing import kill_under_flood
from waiting import is_alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ptyd_user import Container

SOURCES = Path(__file__).parent.parent.parent
PACKAGES = ["server/ptyd", "server/ptywire", "client/ptyc", "client/ptycli"]
PACKAGES += ["launcher/ptykeep", "launcher/ptylaunch"]


def answers(container: Container) -> bool:
    """Tell whether a server says hello within a moment."""
    with socket.create_connection(("127.0.0.1", container.port()), timeout=5) as sock:
        sock.settimeout(0.05)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            return sock.recv(1) == b"H"
        except TimeoutError:
            return False


def test_twenty_kills_under_flood_lose_nothing(ptyd: Ptyd) -> None:
    """The process goes on, the port never refuses, a resuming client and the journal are exact."""
    kill_under_flood(ptyd, times=20, seed=1)


def test_ptyc_goes_on_over_kills(ptyd: Ptyd) -> None:
    """A foreground run whose server dies five times prints what it would have, once."""
    script = "for i in 1 2 3 4 5 6; do seq 1 20000; echo stop $i; read line; done; exit 4"
    with ptyd.background("ptyd", "run", "--name", "steady", "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        expected = b"".join(b"%d\n" % number for number in range(1, 20001))
        for number in range(1, 7):
            stop = b"stop %d\n" % number
            assert process.stdout.read(len(expected) + len(stop)) == expected + stop
            if number < 6:
                container = ptyd.container("steady")
                container.kill_server()
            process.stdin.write(b"\n")
            process.stdin.flush()

        assert process.wait(20) == 4


def test_hangup_of_the_keeper_replaces_the_server(ptyd: Ptyd) -> None:
    """Clients are told to come back (1001), and go on at the next byte; the program is the same."""
    container = ptyd.start("cat")
    program, old = container.pid, container.server_pid()
    with container.attach() as client:
        client.type("before\n")
        client.read_until("before\r\nbefore\r\n")
        os.kill(container.keeper_pid, signal.SIGHUP)
        closed = client.read_to_end()
        again = client.again()
    with again:
        again.type("after\n")
        again.read_until("after\r\nafter\r\n")
        seen = bytes(again.output)

    assert closed[0] == 1001
    assert again.hello["client"] == client.hello["client"]
    assert seen == b"after\r\nafter\r\n"
    assert container.server_pid() != old
    assert is_alive(program)


def test_a_person_does_not_notice_a_new_server(ptyd: Ptyd) -> None:
    """An attached terminal goes on by itself."""
    with ptyd.terminal("ptyd", "run", "--name", "mine", "bash", "--norc") as user:
        user.sees("# ")
        container = ptyd.container("mine")
        for word in ("first", "second"):
            os.kill(container.keeper_pid, signal.SIGHUP)
            user.type(f"printf '%s-' {word} done\r")
            user.sees(f"{word}-done-")
            container.replace_server()
        user.type("exit 6\r")

        assert user.finish() == 6


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[Ptyd]:
    """ptyd from a copy of its packages, which a test may break."""
    copy = tmp_path / "copy"
    for package in PACKAGES:
        shutil.copytree(SOURCES / package, copy / Path(package).name)
    ptyd = Ptyd(str(tmp_path / "root"), PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1")
    yield ptyd
    ptyd.remove_all()
    assert ptyd.left() == []


def test_a_server_that_cannot_start_does_not_matter_to_the_program(
    copied: Ptyd, tmp_path: Path
) -> None:
    """It runs on; nobody is refused; with the server back nothing is missing."""
    main = tmp_path / "copy" / "ptyd" / "__main__.py"
    ticker = "stty raw -echo; i=0; while read go; do i=$((i+1)); echo tick $i; done"
    container = copied.start("sh", "-c", ticker)
    with container.attach() as client:
        client.type("\n")
        client.read_until("tick 1\n")
        main.rename(tmp_path / "away")
        container.kill_server()
        client.read_to_end()
        log = Path(container.described["Paths"]["ServerLog"])
        wait_until(lambda: log.read_text().count("__main__.py") >= 2, what="failed starts")
        dead = not answers(container)
        alive = is_alive(container.pid)
        (tmp_path / "away").rename(main)
        again = client.again()  # nobody is refused: this connection waited in the backlog
    with again:
        again.type("\n\n")
        again.read_until("tick 3\n")

    assert dead
    assert alive
    assert again.output == b"tick 2\ntick 3\n"


def test_a_program_that_ends_without_a_server_is_not_lost(copied: Ptyd, tmp_path: Path) -> None:
    """Its status is written down, its last output comes when a server does."""
    main = tmp_path / "copy" / "ptyd" / "__main__.py"
    script = "trap 'echo last; exit 7' USR1; echo first; sleep infinity & wait"
    container = copied.start("bash", "-c", script)
    with container.attach() as client:
        client.read_until("first\r\n")
        main.rename(tmp_path / "away")
        container.kill_server()
        client.read_to_end()
        os.kill(container.pid, signal.SIGUSR1)
        status = container.wait_for_status()
        (tmp_path / "away").rename(main)
        again = client.again()
    with again:
        again.read_to_end()

    assert status == 7
    assert client.output + again.output == b"first\r\nlast\r\n"
    assert again.events[-1]["status"] == 7


@pytest.mark.parametrize("verb", [["stop"], ["rm", "-f"]])
def test_a_hung_server_does_not_keep_a_container_alive(ptyd: Ptyd, verb: list[str]) -> None:
    """stop and rm -f go to the keeper, whatever the server does."""
    container = ptyd.start("--no-tty", "sleep", "infinity")
    os.kill(container.server_pid(), signal.SIGSTOP)
    done = ptyd(*verb, container.name)

    assert (done.code, done.err) == (0, "")
    assert verb == ["rm", "-f"] or container.state()["exit_status"] == 128 + 15


def test_hangup_of_the_keeper_replaces_a_hung_server(ptyd: Ptyd) -> None:
    """It is given two seconds to go by itself."""
    container = ptyd.start("cat")
    hung = container.server_pid()
    os.kill(hung, signal.SIGSTOP)
    os.kill(container.keeper_pid, signal.SIGHUP)
    container.wait_for_new_server(hung)
    with container.attach() as client:
        client.type("there\n")
        client.read_until("there\r\nthere\r\n")

    assert not is_alive(hung)
