"""``ptyd create``, ``start`` and ``restart``: epochs of one container, on one journal."""

from __future__ import annotations

import os
import signal
import socket
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from waiting import wait_for_end, wait_until

if TYPE_CHECKING:
    from ptyd_user import Ptyd
    from wire_client import WireClient


def test_what_is_created_waits(ptyd: Ptyd) -> None:
    """No process is there for it; ``ps -a`` shows it, ``rm`` removes it."""
    created = ptyd("create", "--name", "it", "cat")
    shown, running = ptyd("ps", "-a").out.decode(), ptyd("ps", "-q").out
    described = ptyd.inspect("it")

    assert (created.code, created.err) == (0, "")
    assert created.out.decode().strip() == described["Id"]
    assert (described["State"]["Status"], described["KeeperPid"]) == ("created", None)
    assert "Created" in shown
    assert running == b""
    assert ptyd("rm", "it") == (0, b"it\n", "")
    assert ptyd.left() == []


def test_a_start_is_that_of_run(anybody: Ptyd) -> None:
    """Attached to the first byte, with the exit status; then once more, on one journal."""
    script = "read line; echo got $line; echo bad >&2; exit 5"
    anybody("create", "--name", "it", "--no-tty", "sh", "-c", script)
    first = anybody("start", "-a", "-i", "it", stdin=b"one\n")
    second = anybody("start", "-ai", "it", stdin=b"two\n")

    assert first == (5, b"got one\n", "bad\n")
    assert second == (5, b"got two\n", "bad\n")
    assert anybody("logs", "it").out == b"got one\ngot two\n"
    assert anybody.inspect("it")["State"]["ExitCode"] == 5


def test_start_without_attach(ptyd: Ptyd) -> None:
    """Names are printed; one that runs already is left alone."""
    ptyd("create", "--name", "a", "cat")
    ptyd.start("--name", "b", "cat")
    pid = ptyd.inspect("b")["State"]["Pid"]
    done = ptyd("start", "a", "b", "nobody")

    assert (done.code, done.out) == (1, b"a\nb\n")
    assert done.err.startswith("ptyd start: no such container: nobody")
    assert ptyd.inspect("b")["State"]["Pid"] == pid
    assert ptyd.inspect("a")["State"]["Running"] is True


def test_an_ended_one_keeps_what_it_has(ptyd: Ptyd) -> None:
    """Id, name, link and what it wrote; the journal goes on, in a new epoch."""
    script = "if [ -e /kept ]; then echo again; else echo new; : > /kept; fi; cat"
    it = ptyd.start("--name", "it", "--writable", "--no-tty", "sh", "-c", script)
    link = it.link()
    with it.attach(link) as client:
        client.read_until("new\n")
    ptyd("stop", "it")
    wait_until(lambda: "Exited" in ptyd("ps", "-a").out.decode())
    assert ptyd("start", "it").code == 0
    with it.attach(link, **{"from": "start"}) as client:
        client.read_until("new\nagain\n")
        epoch = client.hello["epoch"]
    described = ptyd.inspect("it")

    assert (described["Id"], described["Name"]) == (it.id, "it")
    assert (epoch, described["Listeners"]) == (2, it.described["Listeners"])


def test_one_that_lingers_is_started_at_once(ptyd: Ptyd) -> None:
    """Its server waits for somebody who may want the status; the next epoch is served by it."""
    it = ptyd.start("--no-tty", "sh", "-c", "echo up; read line; exit 4")
    server = it.server_pid()
    with it.attach() as client:
        client.read_until("up\n")
        assert ptyd("kill", it.name).code == 0
        client.read_to_end()
        assert ptyd("start", it.name).code == 0
        again = it.state()
        with it.attach(**{"from": "start"}) as other:
            other.read_until("up\nup\n")

    assert (again["status"], again["epoch"]) == ("running", 2)
    assert it.server_pid() == server


def test_restart_with_a_viewer(ptyd: Ptyd) -> None:
    """It is told to come back, and goes on at its offset in the new epoch."""
    it = ptyd.start("--no-tty", "sh", "-c", "echo up; exec cat")
    with it.attach() as client:
        client.read_until("up\n")
        before = client.hello
        done = ptyd("restart", it.name)
        code, _ = client.read_to_end()
    with it.attach(**{"from": 3, "epoch": 1, "client": before["client"]}) as client:
        client.read_until("up\n")
        after = client.hello

    assert done == (0, f"{it.name}\n".encode(), "")
    assert code == 1001
    assert (before["epoch"], after["epoch"], after["from"]) == (1, 2, 3)


def test_restart_of_what_does_not_run(ptyd: Ptyd) -> None:
    """It is started, as docker does."""
    ptyd("create", "--name", "it", "cat")
    assert ptyd("restart", "it").code == 0
    first = ptyd.inspect("it")["State"]["Pid"]
    ptyd("kill", "it")
    assert ptyd("restart", "it").code == 0
    second = ptyd.inspect("it")["State"]

    assert (second["Running"], second["Pid"] != first) == (True, True)


def test_what_has_no_program_yet_says_so(ptyd: Ptyd) -> None:
    """Whoever asks something of it: one line, and not 0; it has printed nothing."""
    ptyd("create", "--name", "it", "cat")
    words = ("share it", "size it", "screen it", "send it x", "exec it true", "attach it")
    done = [ptyd(*each.split()) for each in words]

    assert all(each.code and each.err.count("\n") == 1 for each in done), done
    assert not any("bug" in each.err for each in done)
    assert ptyd("logs", "it") == (0, b"", "")


def test_someone_at_a_terminal_stays(ptyd: Ptyd) -> None:
    """``ptyd attach`` goes over from one epoch to the next, onto a blank screen."""
    it = ptyd.start("--name", "it", "sh", "-c", "echo epoch $(date +%s%N); exec cat")
    with ptyd.terminal("ptyd", "attach", "it") as user:
        user.sees("epoch")
        assert ptyd("restart", "-t", "1", "it").code == 0
        user.sees("epoch")
        user.type("typed\r")
        user.sees("typed")
        assert ptyd("kill", it.name).code == 0
        assert user.finish() == 137


def test_what_cannot_be_started(ptyd: Ptyd) -> None:
    """One line and 1; it is as it was before."""
    ptyd("create", "--name", "it", "/no/such/program")
    done = ptyd("start", "it")
    attached = ptyd("start", "-a", "it")

    assert (done.code, done.out) == (1, b"")
    assert done.err == "ptyd start: it: exec: /no/such/program: No such file or directory\n"
    assert (attached.code, attached.err) == (1, done.err)
    assert "Created" in ptyd("ps", "-a").out.decode()
    assert list(Path(ptyd.root, "run").iterdir()) == []


def test_one_whose_network_cannot_be(ptyd: Ptyd) -> None:
    """Its box was there by then: nothing of it stays, not even a cgroup, until it can be."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        ptyd("create", "--name", "it", "-p", f"{port}:80", "sleep", "1000")
        done = ptyd("start", "it")
    identity = ptyd.inspect("it")["Id"]
    left = glob(f"/sys/fs/cgroup/**/ptyd-{identity}", recursive=True)

    assert (done.code, done.err.count("\n"), str(port) in done.err) == (1, 1, True)
    assert left == []
    assert ptyd("start", "it") == (0, b"it\n", "")


def test_half_made_ones(ptyd: Ptyd) -> None:
    """A folder whose maker was killed: every verb says one line, and ``rm`` removes it."""
    ptyd("run", "--rm", "true")
    root = Path(ptyd.root)
    (root / "containers" / ("cd" * 32)).mkdir()
    (root / "names/half").symlink_to("cd" * 32)
    verbs = ("start", "restart", "pause", "unpause", "kill")
    done = {verb: ptyd(verb, "half") for verb in verbs}

    assert {verb: each.code for verb, each in done.items()} == dict.fromkeys(verbs, 1)
    assert all(each.err.count("\n") == 1 for each in done.values())
    assert ptyd("stop", "half").code == 0
    assert ptyd("rm", "half").code == 0


def test_the_keeper_was_killed(ptyd: Ptyd) -> None:
    """Its box goes with it, ``ps`` says that the status is unknown, and it can be started anew."""
    it = ptyd.start("--name", "it", "sleep", "1000")
    program = it.pid
    os.kill(it.keeper_pid, signal.SIGKILL)
    wait_for_end(it.keeper_pid)
    wait_for_end(program)
    shown = ptyd("ps", "-a").out.decode()
    started = ptyd("start", "it")

    assert "Exited (unknown)" in shown
    assert started == (0, b"it\n", "")
    assert ptyd.inspect("it")["State"]["Running"] is True


def test_waiting_for_one_that_is_not_started_yet(ptyd: Ptyd) -> None:
    """However short it runs, and although it removes itself: the status is the program's."""
    for status in range(3, 6):
        ptyd("create", "--name", "it", "--rm", "sh", "-c", f"exit {status}")
        with ptyd.background("ptyd", "wait", "it") as waiting:
            container = Path(ptyd.root, "containers", ptyd.inspect("it")["Id"])
            wait_until(lambda place=container / "exits": is_open(waiting.pid, place))
            assert ptyd("start", "-a", "it").code == status
            printed, errors = waiting.communicate(timeout=40)
        wait_until(lambda: ptyd.names() == [])

        assert (printed, errors) == (f"{status}\n".encode(), b"")


def is_open(pid: int, path: Path) -> bool:
    """Tell whether a process has a file open."""
    folder = f"/proc/{pid}/fd"
    return any(os.readlink(f"{folder}/{fd}") == str(path) for fd in os.listdir(folder))


def test_waiting_for_one_that_is_removed(ptyd: Ptyd) -> None:
    """It will never be started: one line."""
    ptyd("create", "--name", "it", "true")
    place = Path(ptyd.root, "containers", ptyd.inspect("it")["Id"], "exits")
    with ptyd.background("ptyd", "wait", "it") as waiting:
        wait_until(lambda: is_open(waiting.pid, place))
        assert ptyd("rm", "it").code == 0
        _, errors = waiting.communicate(timeout=40)

    assert (waiting.returncode, errors) == (1, b"ptyd wait: it was removed\n")


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["create"], 125, "no command"),
        (["create", "-d", "true"], 125, "unrecognized arguments: -d"),
        (["create", "--stop-signal", "FLY", "true"], 125, "there is no signal 'FLY'"),
        (["create", "--stop-timeout", "soon", "true"], 125, "a number from 0 on"),
        (["create", "--image", "nobody", "true"], 1, "no image"),
        (["start"], 1, "the following arguments are required"),
        (["start", "-a", "x", "--detach-keys", "nothing"], 125, "nothing"),
        (["restart", "-t", "1.5", "x"], 125, "a number from 0 on"),
        (["stop", "-s", "FLY", "x"], 1, "there is no signal 'FLY'"),
    ],
    ids=range(9),
)
def test_what_makes_no_sense(ptyd: Ptyd, words: list[str], code: int, line: str) -> None:
    """One line, 125 for flags and 1 for the rest, and nothing is made."""
    done = ptyd(*words)

    assert (done.code, done.out, done.err.count("\n")) == (code, b"", 1)
    assert line in done.err
    assert ptyd.left() == []


def test_another_engine_builds_the_next_epoch(ptyd: Ptyd) -> None:
    """And holds it, and lets it go; a keeper that was killed leaves nothing in the way."""
    it = ptyd.start("--runtime", "runc", "--name", "it", "--no-tty", "sleep", "1000")
    for words in (["restart", "-t", "1"], ["pause"], ["unpause"], ["kill"]):
        assert ptyd(*words, "it") == (0, b"it\n", "")
    assert it.wait_for_status() == 137
    assert ptyd("start", "it").code == 0
    keeper = ptyd.inspect("it")["KeeperPid"]
    os.kill(keeper, signal.SIGKILL)
    wait_for_end(keeper)

    assert ptyd("start", "it") == (0, b"it\n", "")
    assert ptyd.inspect("it")["State"]["Running"] is True
    assert ptyd("exec", "it", "echo", "in") == (0, b"in\n", "")


def test_the_terminal_stays_as_large_as_it_was(ptyd: Ptyd) -> None:
    """Until those who look on have come back, and say how large their windows are."""
    it = ptyd.start("sh", "-c", "stty size; exec cat")
    with it.attach(rows=50, cols=132) as client:
        client.read_until("24 80")
        client.wait_until(lambda: it_is(client, 50, 132))
        assert ptyd("restart", "-t", "1", it.id).code == 0
    with it.attach() as client:
        client.read_until("50 132")


def it_is(client: WireClient, rows: int, cols: int) -> bool:
    """Tell whether a client was told of that size last."""
    sizes = [(each["rows"], each["cols"]) for each in client.events if "rows" in each]
    return sizes[-1:] == [(rows, cols)]


def test_start_at_a_terminal(ptyd: Ptyd) -> None:
    """Attached and typing, in a window that the program has from the start."""
    ptyd("create", "--name", "it", "bash", "--norc")
    for number in (1, 2):
        with ptyd.terminal("ptyd", "start", "-ai", "it", size=(31, 97)) as user:
            user.type("stty size; exit 3\r")
            user.sees("31 97")
            assert user.finish() == 3
        assert ptyd.container("it").state()["epoch"] == number
