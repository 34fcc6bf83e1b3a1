"""``--restart``: who is started again, and what those who look on are told of it."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from waiting import wait_for_end, wait_until

if TYPE_CHECKING:
    from ptyd_user import Ptyd


def test_on_failure_gives_up(anybody: Ptyd) -> None:
    """After as many restarts as were asked for; ``wait`` waits for the last."""
    script = "echo try; exit 4"
    anybody.start("--name", "it", "--restart", "on-failure:2", "--no-tty", "sh", "-c", script)
    waited = anybody("wait", "it")

    assert waited == (0, b"4\n", "")
    assert anybody("logs", "it").out == b"try\n" * 3
    assert anybody.container("it").state()["restarts"] == 2
    described = anybody.inspect("it")
    assert described["RestartCount"] == 2
    policy = {"Name": "on-failure", "MaximumRetryCount": 2}
    assert described["HostConfig"]["RestartPolicy"] == policy


def test_success_ends_on_failure(ptyd: Ptyd) -> None:
    """What it was to do is done."""
    script = "[ -e /done ] && exit 0; : >/done; exit 1"
    words = ("--restart", "on-failure", "--writable", "--no-tty")
    it = ptyd.start("--name", "it", *words, "sh", "-c", script)

    assert ptyd("wait", "it").out == b"0\n"
    assert it.state()["restarts"] == 1


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_a_stop_ends_it(ptyd: Ptyd, policy: str) -> None:
    """However it ends by itself it comes back; stopped on purpose it stays where it is."""
    it = ptyd.start("--name", "it", "--restart", policy, "sleep", "1000")
    os.kill(it.pid, signal.SIGKILL)
    wait_until(lambda: it.state()["epoch"] == 2 and it.state()["status"] == "running")
    stopped = ptyd("stop", "it")
    state = it.state()

    assert stopped.code == 0
    assert (state["status"], state["exit_status"], state["restarts"]) == ("exited", 143, 1)


def test_a_kill_ends_it_and_other_signals_do_not(ptyd: Ptyd) -> None:
    """As docker: who kills does not want it back."""
    it = ptyd.start("--name", "it", "--restart", "always", "sleep", "1000")
    assert ptyd("kill", "-s", "USR1", "it").code == 0
    wait_until(lambda: it.state()["epoch"] == 2 and it.state()["status"] == "running")
    assert ptyd("kill", "it").code == 0

    assert it.wait_for_status() == 137
    assert it.state()["epoch"] == 2


@pytest.mark.parametrize("verb", [["stop"], ["kill"], ["rm", "-f"]], ids=" ".join)
def test_between_two_epochs(ptyd: Ptyd, verb: list[str]) -> None:
    """While it waits to be started again there is nothing to signal, and it does not come back."""
    it = ptyd.start("--name", "it", "--restart", "always", "false")
    wait_until(lambda: it.state().get("restarts", 0) > 2 and it.state()["status"] == "restarting")
    shown = ptyd("ps").out.decode()
    refused = ptyd("rm", "it")
    done = ptyd(*verb, "it")

    assert "Restarting (1)" in shown or "Up" in shown
    assert refused.code != 0
    assert done == (0, b"it\n", "")
    if verb[0] == "rm":
        assert ptyd.left() == []
    else:
        assert it.wait_for_status() in (1, 137)
        wait_until(lambda: ptyd("rm", "it").code == 0)


def test_who_looks_on_is_not_told_that_it_is_over(ptyd: Ptyd) -> None:
    """``restarting`` in the place of ``exited``; then the connection is to be made anew."""
    script = "echo up; read line; exit 3"
    it = ptyd.start("--name", "it", "--restart", "always", "--no-tty", "sh", "-c", script)
    with it.attach() as client:
        client.type("go\n")
        code, _ = client.read_to_end()
        told = [event["event"] for event in client.events]
        restarting = client.wait_for_event("restarting")
        with client.again() as back:
            back.read_until("up\n")
            hello = back.hello

    assert (code, "exited" in told) == (1001, False)
    assert (restarting["status"], restarting["end"]) == (3, 3)
    assert (hello["epoch"], hello["from"], hello["input"]) == (2, 3, 0)


def test_a_foreground_run_goes_on_to_the_end(ptyd: Ptyd) -> None:
    """Each epoch's output in order, nothing twice, and the last one's status."""
    done = ptyd("run", "--restart", "on-failure:3", "sh", "-c", "seq 1 2000; exit 6", timeout=60)
    once = b"".join(b"%d\n" % number for number in range(1, 2001))

    told = "ptyc: the program ended with status 6, restarting…"  # where a pause is a long one
    assert (done.code, set(done.err.splitlines()) | {told}) == (6, {told})
    assert done.out == once * 4


def test_a_long_pause_is_told_on_the_terminal(ptyd: Ptyd) -> None:
    """From 0.8 s on; the next epoch begins on a blank screen, and the last status is ours."""
    script = "echo up; exit 3"
    words = ("run", "--restart", "on-failure:4", "sh", "-c", script)
    with ptyd.terminal("ptyd", *words) as user:
        user.sees("ptyc: the program ended with status 3, restarting… (ctrl-p ctrl-q to leave)")
        user.sees("up")

        assert user.finish() == 3


def test_raw_viewers_stay(ptyd: Ptyd) -> None:
    """One connection has the bytes of all epochs, and ends with the last."""
    script = "read line; echo got $line; exit 2"
    words = ("--raw", "0", "--restart", "on-failure:1", "--no-tty")
    it = ptyd.start("--name", "it", *words, "sh", "-c", script)
    with (
        socket.create_connection(("127.0.0.1", it.port("raw")), timeout=40) as sock,
        sock.makefile("rb") as reader,
    ):
        for number, word in enumerate((b"one", b"two"), 1):
            wait_until(lambda number=number: it.state()["epoch"] == number)  # type: ignore[misc]
            sock.sendall(word + b"\n")
            assert reader.readline() == b"got " + word + b"\n"
        assert reader.read() == b""


def test_what_is_sent_between_two_epochs_is_typed_in_the_second(ptyd: Ptyd) -> None:
    """And ``ptyd send`` waits for that: it does not call typed what nobody reads."""
    script = "read word; echo got $word; exit 2"
    it = ptyd.start("--name", "it", "--restart", "always", "--no-tty", "sh", "-c", script)
    for epoch in range(1, 6):  # the pauses double: the fifth is of 1.6 s
        wait_until(
            lambda epoch=epoch: it.state()["epoch"] == epoch and it.state()["status"] == "running"  # type: ignore[misc]
        )
        assert ptyd("send", "it", f"{epoch}\n").code == 0
    wait_until(lambda: it.state()["status"] == "restarting")
    sent = ptyd("send", "it", "late\n")
    wait_until(lambda: ptyd("logs", "it").out.endswith(b"got late\n"))

    assert sent == (0, b"", "")


def test_its_server_is_killed_meanwhile(ptyd: Ptyd) -> None:
    """Nothing that an epoch printed is lost, whenever its server dies."""
    script = "seq 1 3000; exit 1"
    words = ("--restart", "on-failure:4", "--no-tty")
    it = ptyd.start("--name", "it", *words, "sh", "-c", script)
    for epoch in range(2, 5):
        wait_until(lambda epoch=epoch: it.state()["epoch"] >= epoch)  # type: ignore[misc]
        it.kill_server()
    waited = ptyd("wait", "it")
    once = b"".join(b"%d\n" % number for number in range(1, 3001))

    assert waited.out == b"1\n"
    assert ptyd("logs", "it").out == once * 5


def test_a_hung_server_is_replaced(ptyd: Ptyd) -> None:
    """The next epoch waits until what the last one printed is written down, and not for ever."""
    it = ptyd.start("--name", "it", "--restart", "always", "--no-tty", "sleep", "1000")
    server = it.server_pid()
    os.kill(server, signal.SIGSTOP)
    os.kill(it.pid, signal.SIGKILL)
    wait_for_end(server)
    wait_until(lambda: it.state()["epoch"] == 2 and it.state()["status"] == "running")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--restart", "sometimes"], "--restart sometimes: it is one of"),
        (["--restart", "always:3"], "only on-failure takes how often"),
        (["--restart", "on-failure:x"], "a number from 0 on is wanted"),
        (["--restart", "on-failure:-1"], "a number from 0 on is wanted"),
        (["--restart", "always", "--rm"], "--rm and --restart exclude each other"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_what_makes_no_sense(ptyd: Ptyd, words: list[str], line: str) -> None:
    """One line and 125, and nothing is made."""
    done = ptyd("run", *words, "true")

    assert (done.code, done.err.count("\n"), line in done.err) == (125, 1, True)
    assert ptyd.left() == []
