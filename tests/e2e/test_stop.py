"""How programs are asked to end, and whose signals reach them."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from waiting import is_alive, wait_until

if TYPE_CHECKING:
    from ptyd_user import Ptyd

STUBBORN = "trap '' TERM; echo up; while :; do sleep 1000; done"
CATCHES = "trap 'echo caught; exit 9' INT USR1 TERM; echo up; while :; do sleep 1000 & wait; done"


@pytest.mark.parametrize(
    ("run", "stop", "status"),
    [
        (["--stop-signal", "USR1"], [], 9),
        (["--stop-signal", "SIGINT"], ["-s", "HUP"], 129),
        ([], ["--signal", "USR1"], 9),
    ],
    ids=["--stop-signal", "stop -s", "stop --signal"],
)
def test_the_signal_is_the_one_that_was_asked_for(
    ptyd: Ptyd, run: list[str], stop: list[str], status: int
) -> None:
    """The container's own, or that of the moment."""
    it = ptyd.start("--no-tty", *run, "sh", "-c", CATCHES)
    with it.attach() as client:
        client.read_until("up\n")
        assert ptyd("stop", *stop, it.id).code == 0

    assert it.wait_for_status() == status


@pytest.mark.parametrize(
    ("run", "stop"),
    [(["--stop-timeout", "1"], []), ([], ["-t", "1"]), (["--stop-timeout", "-1"], ["--time=1"])],
    ids=["--stop-timeout", "stop -t", "both"],
)
def test_who_does_not_end_is_killed(ptyd: Ptyd, run: list[str], stop: list[str]) -> None:
    """In the time that was given, with all that it has started, daemons included."""
    it = ptyd.start("--no-tty", *run, "sh", "-c", f"setsid sleep 1000 & {STUBBORN}")
    with it.attach() as client:
        client.read_until("up\n")
        wait_until(lambda: len(tree(it.state()["init_pid"])) >= 4)
        everybody = tree(it.state()["init_pid"])
        begun = time.monotonic()
        assert ptyd("stop", *stop, it.id).code == 0
        lasted = time.monotonic() - begun

    assert it.wait_for_status() == 137
    assert 1 <= lasted < 9
    assert not [pid for pid in everybody if is_alive(pid)]


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = [int(word) for word in file.read().split()]
    except OSError:
        return []
    return [pid, *(each for child in children for each in tree(child))]


def test_a_later_stop_may_be_less_patient(ptyd: Ptyd) -> None:
    """Somebody waits for ever, and somebody else does not."""
    it = ptyd.start("--no-tty", "sh", "-c", STUBBORN)
    with it.attach() as client:
        client.read_until("up\n")
        with ptyd.background("ptyd", "stop", "-t", "-1", it.id) as patient:
            assert ptyd("stop", "-t", "0", it.id).code == 0
            assert patient.wait(40) == 0

    assert it.wait_for_status() == 137


@pytest.mark.parametrize("flag", ["--sig-proxy", "--sig-proxy=true"])
def test_signals_are_passed_on(ptyd: Ptyd, flag: str) -> None:
    """As by default: the program makes of them what it likes."""
    with ptyd.background("ptyd", "run", flag, "sh", "-c", CATCHES) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"up\n"
        run.send_signal(signal.SIGTERM)
        printed, _ = run.communicate(timeout=40)

    assert (run.returncode, printed) == (9, b"caught\n")


@pytest.mark.parametrize("verb", ["run", "attach"])
def test_signals_are_kept(ptyd: Ptyd, verb: str) -> None:
    """They end the client alone."""
    if verb == "run":
        words = ["run", "--sig-proxy=false", "--name", "it", "sh", "-c", CATCHES]
    else:
        ptyd.start("--name", "it", "--no-tty", "sh", "-c", CATCHES)
        words = ["attach", "--sig-proxy=false", "it"]
    with ptyd.background("ptyd", *words) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"up\n"
        client.send_signal(signal.SIGTERM)
        printed, _ = client.communicate(timeout=40)

    assert (client.returncode, printed) == (128 + signal.SIGTERM, b"")
    assert ptyd.inspect("it")["State"]["Running"] is True


def test_the_programs_own_words_are_not_ours(ptyd: Ptyd) -> None:
    """What follows the command is its alone."""
    done = ptyd("run", "--rm", "echo", "--sig-proxy=false", "--restart=always")

    assert done == (0, b"--sig-proxy=false --restart=always\n", "")
