"""``ptyd pause`` and ``unpause``, and what the other verbs do with a box that is held."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from waiting import wait_for_end, wait_until

if TYPE_CHECKING:
    from ptyd_user import Container, Ptyd

COUNT = "i=0; while :; do i=$((i+1)); echo $i; done >/tmp/count"


@pytest.fixture
def held(ptyd: Ptyd) -> Container:
    it = ptyd.start("--name", "it", "sleep", "1000")
    done = ptyd("pause", "it")
    assert done == (0, b"it\n", "")
    return it


def ticks(pid: int) -> int:
    """Return the processor time of a process (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_what_is_paused_does_nothing(ptyd: Ptyd) -> None:
    """Not one tick of processor time, until it is let go; ``ps`` shows it."""
    it = ptyd.start("--name", "it", "sh", "-c", COUNT)
    wait_until(lambda: ticks(it.pid) > 1)
    assert ptyd("pause", "it").code == 0
    before, shown = ticks(it.pid), ptyd("ps").out.decode()
    described = ptyd.inspect("it")["State"]
    after = ticks(it.pid)
    assert ptyd("unpause", "it") == (0, b"it\n", "")
    wait_until(lambda: ticks(it.pid) > after)

    assert before == after
    assert "(Paused)" in shown
    assert (described["Status"], described["Running"]) == ("paused", True)
    assert "(Paused)" not in ptyd("ps").out.decode()


def test_who_looks_on_sees_the_screen_again(ptyd: Ptyd) -> None:
    """A viewer that was there stays; what it typed meanwhile is read afterwards."""
    it = ptyd.start("--no-tty", "cat")
    with it.attach() as client:
        assert ptyd("pause", it.name).code == 0
        client.type("typed\n")
        assert ptyd("unpause", it.name).code == 0
        client.read_until("typed\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["pause", "it"], "ptyd pause: it is paused already"),
        (["exec", "it", "true"], "ptyd exec: it is paused: unpause it first"),
        (["attach", "it"], "ptyd attach: it is paused: unpause it first"),
        (["start", "it"], "ptyd start: it is paused: unpause it instead"),
        (["rm", "it"], "ptyd rm: it is paused: unpause and stop it first, or rm -f"),
    ],
    ids=["pause", "exec", "attach", "start", "rm"],
)
def test_what_cannot_be_done_to_it(
    ptyd: Ptyd, held: Container, words: list[str], line: str
) -> None:
    """One line, 1, and it stays as it is."""
    done = ptyd(*words)

    assert done == (1, b"", f"{line}\n")
    assert held.state()["status"] == "paused"


def test_an_exec_of_an_old_client_is_refused(held: Container) -> None:
    """The keeper does it too, for whoever does not look first."""
    with held.attach() as client:
        client.execute("true")
        refused = client.wait_for_event("refused")

    assert (refused["exit_code"], "is paused" in refused["reason"]) == (125, True)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["stop"], 143),
        (["stop", "-t", "0"], 137),
        (["kill"], 137),
        (["kill", "-s", "TERM"], 143),
        (["rm", "-f"], None),
    ],
    ids=["stop", "stop -t 0", "kill", "kill TERM", "rm -f"],
)
def test_it_can_be_ended(ptyd: Ptyd, held: Container, words: list[str], status: int | None) -> None:
    """As one that runs: it is let go, so that it hears of it."""
    program = held.pid
    done = ptyd(*words, "it")

    assert done == (0, b"it\n", "")
    wait_for_end(program)
    assert status is None or held.wait_for_status() in (status, 143)  # that comes first


def test_restart_of_what_is_paused(ptyd: Ptyd, held: Container) -> None:
    """It runs afterwards."""
    assert ptyd("restart", "it").code == 0
    assert held.state()["status"] == "running"


def test_its_keeper_is_killed(ptyd: Ptyd, held: Container) -> None:
    """What is held cannot end by itself: whoever looks next ends it."""
    program = held.pid
    os.kill(held.keeper_pid, signal.SIGKILL)
    wait_for_end(held.keeper_pid)
    shown = ptyd("ps", "-a").out.decode()
    wait_for_end(program)

    assert "Exited (unknown)" in shown
    assert ptyd("rm", "it").code == 0


def test_where_there_is_no_freezer(theirs: Ptyd) -> None:
    """An ordinary user may have no cgroup: one line says so, and it runs on."""
    it = theirs.start("--name", "it", "sleep", "1000")
    has_cgroup = any(it.state()["cgroup"][key] for key in ("unified", "v1"))
    done = theirs("pause", "it")

    if has_cgroup:  # the host has delegated one
        assert done.code == 0
    else:
        assert (done.code, done.err.count("\n")) == (1, 1)
        assert "it: pause: " in done.err
        assert it.state()["status"] == "running"


def test_what_does_not_run(ptyd: Ptyd) -> None:
    """Created, ended or not there: one line and 1."""
    ptyd("create", "--name", "new", "cat")
    ptyd("run", "--name", "old", "true")
    errors = [
        ptyd(verb, name).err for verb in ("pause", "unpause") for name in ("new", "old", "none")
    ]
    codes = [ptyd(verb, "new").code for verb in ("pause", "unpause")]

    assert codes == [1, 1]
    assert [each.count("\n") for each in errors] == [1] * 6
    assert "new is not running" in errors[0]
    assert "old is not" in errors[1]
    assert "no such container: none" in errors[2]
