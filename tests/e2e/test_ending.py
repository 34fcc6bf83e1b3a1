"""The end: last output, then status, then close, whatever else hangs on to the terminal."""

from __future__ import annotations

import os
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from waiting import wait_for_end, wait_until

if TYPE_CHECKING:
    from ptyd_user import Ptyd

SIZES = [1, 100, 4095, 4096, 4097, 10_000, 20_000, 33_000, 60_000]
MODES = ["--tty", "--no-tty"]


def test_a_hundred_short_runs_are_exact(ptyd: Ptyd) -> None:
    """``printf x; exit 7`` a hundred times, four at a time: x and 7, nothing else, nothing left."""
    words = ["run", "--rm", "sh", "-c", "printf x; exit 7"]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: ptyd(*words), range(100)))

    assert set(done) == {(7, b"x", "")}
    assert ptyd.left() == []


@pytest.mark.parametrize("mode", MODES)
def test_what_is_printed_right_before_the_exit_arrives(ptyd: Ptyd, mode: str) -> None:
    """1 byte to 60 KB in one write, then the end."""
    code = "import sys; sys.stdout.write('x' * {0}); sys.stdout.flush(); import os; os._exit(5)"
    for size in SIZES:
        done = ptyd("run", "--rm", mode, "/usr/bin/python3", "-c", code.format(size))

        assert (done.code, len(done.out), set(done.out)) == (5, size, {ord("x")})


@pytest.mark.parametrize("mode", MODES)
def test_output_then_status_then_close(ptyd: Ptyd, mode: str) -> None:
    """A client sees the last byte, the exited event and close code 4000 in this order."""
    words = ["--listen", "0", mode, "--name", "x", "sh", "-c", "read go; seq 1 9000; exit 9"]
    container = ptyd.start(*words)
    with container.attach(container.link()) as client:
        client.type("\n")
        code, _ = client.read_to_end()
        last = client.events[-1]

    assert code == 4000
    assert last == {"event": "exited", "status": 9, "end": client.offset}
    assert bytes(client.order).endswith(b"o!"), client.events
    assert client.output.split()[-9000:] == [b"%d" % number for number in range(1, 9001)]


@pytest.mark.parametrize("mode", MODES)
def test_who_comes_after_the_end_still_gets_everything(ptyd: Ptyd, mode: str) -> None:
    """The server lingers: output, status, close."""
    container = ptyd.start(mode, "sh", "-c", "echo words; exit 6")
    status = container.wait_for_status()
    with container.attach() as client:
        code, _ = client.read_to_end()

    assert (status, code) == (6, 4000)
    assert client.output.strip() == b"words"
    assert client.events[-1]["status"] == 6


@pytest.mark.parametrize("mode", MODES)
def test_a_grandchild_that_holds_the_terminal_does_not_hang_the_exit(ptyd: Ptyd, mode: str) -> None:
    """A background process with the terminal or the pipes open, deaf to SIGHUP."""
    script = "trap '' HUP; sleep infinity & printf bye; exit 3"
    done = ptyd("run", "--rm", mode, "sh", "-c", script, timeout=10)

    assert done == (3, b"bye", "")


@pytest.mark.parametrize("mode", MODES)
def test_a_grandchild_that_never_stops_printing_does_not_hang_the_exit(
    ptyd: Ptyd, mode: str
) -> None:
    """What it prints is read up to a limit, then the status comes."""
    done = ptyd("run", "--rm", mode, "sh", "-c", "trap '' HUP; yes & echo on; exit 3", timeout=10)

    assert done.code == 3
    assert set(done.out.split()) <= {b"on", b"y"}


def test_a_client_that_leaves_with_something_unread_is_waited_for_no_longer(ptyd: Ptyd) -> None:
    """It closes before it has read the close: nothing lingers, the container is over at once."""
    container = ptyd.start("sh", "-c", "echo up; read go; exit 3")
    server = container.server_pid()
    with container.attach() as client:
        client.read_until("up")
        client.type("\n")
        container.wait_for_status()
        wait_until(lambda: b"exited" in client.socket.recv(4096, socket.MSG_PEEK)[-8:])
        # While the server is held, so that it finds message, end and error all at once.
        os.kill(server, signal.SIGSTOP)
        client.signal("INT")
    os.kill(server, signal.SIGCONT)

    wait_for_end(container.keeper_pid, within=4)  # a second less than the channel's patience


def test_logs_follow_ends_with_the_program(ptyd: Ptyd) -> None:
    """``logs -f`` prints what was and what comes, and exits 0."""
    container = ptyd.start("--no-tty", "sh", "-c", "echo early; read line; echo late $line; exit 8")
    with ptyd.background("ptyd", "logs", "-f", container.name) as process:
        assert process.stdout is not None
        early = process.stdout.readline()
        with container.attach() as client:
            client.type("word\n")
            client.read_to_end()
        late = process.stdout.read()

        assert (early, late) == (b"early\n", b"late word\n")
        assert process.wait(20) == 0


def test_stop_ends_the_whole_tree(ptyd: Ptyd) -> None:
    """Whatever the program started ends with it."""
    script = "for i in 1 2 3; do sleep infinity & done; setsid sleep infinity & echo up; wait"
    container = ptyd.start("--no-tty", "bash", "-c", script)
    with container.attach() as client:
        client.read_until("up")
        inside = ptyd.inspect(container.id)["State"]["InitPid"]
        with open(f"/proc/{inside}/task/{inside}/children", encoding="ascii") as file:
            children = file.read().split()
        done = ptyd("stop", container.name)
        client.read_to_end()

    assert children
    assert (done.code, done.out) == (0, container.name.encode() + b"\n")
    assert container.state()["exit_status"] == 128 + 15
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        assert not re.search(container.id, file.read())


def test_stop_kills_what_does_not_listen(ptyd: Ptyd) -> None:
    """Ten seconds after SIGTERM comes SIGKILL."""
    container = ptyd.start("--no-tty", "bash", "-c", "trap '' TERM; echo deaf; cat")
    with container.attach() as client:
        client.read_until("deaf")
        done = ptyd("stop", container.name)

    assert done.code == 0
    assert container.state()["exit_status"] == 128 + 9


def test_stop_ends_an_interactive_shell_at_once(ptyd: Ptyd) -> None:
    """It ignores SIGTERM; it is not made to wait for SIGKILL."""
    container = ptyd.start("bash")
    with container.attach() as client:
        client.type("echo $((6*7))\n")
        client.read_until("42")
        done = ptyd("stop", container.name, timeout=8)

    assert done.code == 0
    assert container.state()["exit_status"] != 128 + 9


@pytest.mark.parametrize("name", ["ABRT", "SEGV", "TERM"])
def test_an_owners_signal_reaches_the_program(ptyd: Ptyd, name: str) -> None:
    """Those too that pid 1 of the box cannot pass on."""
    container = ptyd.start("--no-tty", "sh", "-c", "echo ready; exec sleep 1000")
    with container.attach() as client:
        client.read_until("ready\n")
        client.signal(name)
        client.read_to_end()

    assert client.events[-1]["status"] == 128 + signal.Signals[f"SIG{name}"]
