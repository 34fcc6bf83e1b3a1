"""``ptyd run``'s limits by what happens to programs, for root and for an ordinary user."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ptylaunch.freezer import is_paused, pause, processes
from ptylaunch.placement import Cgroup
from waiting import is_alive, wait_for_end, wait_until

if TYPE_CHECKING:
    from ptyd_user import Container, Ptyd

PYTHON = "/usr/bin/python3"
GREEDY = [PYTHON, "-c", "x = bytearray(200 << 20)"]


def cgroup_of(container: Container) -> Cgroup:
    return Cgroup.from_json(container.state()["cgroup"])


def exists(cgroup: Cgroup) -> bool:
    return any(os.path.exists(folder) for folder in cgroup.folders)


def test_too_much_memory_ends_the_program(limited: Ptyd) -> None:
    """137, and ``inspect`` says why; a program that only dies of SIGKILL was not out of memory."""
    greedy = limited("run", "--name", "greedy", "--memory", "48m", *GREEDY)
    killed = limited("run", "--name", "killed", "--memory", "48m", "sh", "-c", "kill -9 $$")
    states = [limited.inspect(name)["State"] for name in ("greedy", "killed")]

    assert (greedy.code, killed.code) == (137, 137)
    assert [(s["ExitCode"], s["OOMKilled"]) for s in states] == [(137, True), (137, False)]


def test_a_worker_out_of_memory_is_seen_as_well(limited: Ptyd) -> None:
    """The program goes on, as docker's do, and both are told."""
    script = f"{PYTHON} -c '{GREEDY[2]}'; echo $?; exit 4"
    done = limited("run", "--name", "w", "-m", "48m", "sh", "-c", script)

    assert (done.code, done.out) == (4, b"137\n")
    assert limited.inspect("w")["State"]["OOMKilled"]


def test_a_fork_bomb_stops_at_the_limit(limited: Ptyd) -> None:
    """Nobody else notices: the keeper, the server and other boxes go on."""
    container = limited.start(
        "--pids-limit", "30", "bash", "-c", "f() { f | f & }; echo up; read go; f; read never"
    )
    cgroup = cgroup_of(container)
    folder = cgroup.v1_folder("pids") or cgroup.unified
    with container.attach() as client:
        client.read_until("up")
        client.type("\n")
        client.read_until("fork: ")
        count = int(Path(folder, "pids.current").read_text())
        other = limited("run", "--rm", "echo", "fine")

        assert 10 < count <= 30
        assert other.out == b"fine\n"
    container.remove()
    assert not exists(cgroup)


def test_processors_are_those_asked_for(limited: Ptyd) -> None:
    """By sched_getaffinity(2), and the quota is written down."""
    script = f"{PYTHON} -c 'import os; print(os.sched_getaffinity(0))'; read go"
    container = limited.start(
        "--no-tty", "--cpuset-cpus", "0", "--cpus", "0.25", "sh", "-c", script
    )
    cgroup = cgroup_of(container)
    with container.attach() as client:
        client.read_until("{0}")
    folder = cgroup.v1_folder("cpu")
    quota = Path(folder, "cpu.cfs_quota_us") if folder else Path(cgroup.unified, "cpu.max")
    limits = limited.inspect(container.id)["HostConfig"]

    assert quota.read_text().split()[0] == "25000"
    assert (limits["NanoCpus"], limits["CpusetCpus"]) == (250_000_000, "0")


def test_who_serves_a_box_is_not_in_its_limits(limited: Ptyd) -> None:
    """The keeper and the server stay where they are; init and the program are in from the start."""
    container = limited.start("--pids-limit", "40", "cat")
    server = container.server_pid()
    inside = set(processes(cgroup_of(container)))
    init = container.state()["init_pid"]

    assert {init, container.pid} <= inside
    assert not inside & {container.keeper_pid, server}


def test_what_exec_starts_is_in_the_same_limits(limited: Ptyd) -> None:
    """It is killed for memory, on the processors of the box; the box goes on."""
    container = limited.start("--memory", "48m", "--cpuset-cpus", "0", "cat")
    inside = cgroup_of(container)
    greedy = limited("exec", container.name, *GREEDY)
    affinity = "import os; print(os.sched_getaffinity(0))"
    placed = limited("exec", container.name, PYTHON, "-c", affinity)

    assert greedy.code == 137
    assert placed.out == b"{0}\n"
    assert container.pid in processes(inside)


def test_a_box_without_wishes_may_have_2048_processes(limited: Ptyd) -> None:
    """podman's number; -1 takes it away."""
    default, free = limited.start("cat"), limited.start("--pids-limit", "-1", "cat")
    texts = []
    for container in (default, free):
        cgroup = cgroup_of(container)
        folder = cgroup.v1_folder("pids") or cgroup.unified
        texts.append(Path(folder, "pids.max").read_text().strip())

    assert texts == ["2048", "max"]
    assert limited.inspect(default.id)["HostConfig"]["PidsLimit"] == 2048


@pytest.mark.parametrize("how", ["exit", "stop", "rm -f", "not executable"])
def test_nothing_is_left_of_its_cgroup(limited: Ptyd, how: str) -> None:
    """However it ends; the fixtures look for what has no name any more."""
    if how == "not executable":
        assert limited("run", "--memory", "64m", "/etc/passwd").code == 126
        return
    container = limited.start("sh", "-c", "sleep 1000 & read go")
    cgroup = cgroup_of(container)
    assert exists(cgroup)
    if how == "exit":
        with container.attach() as client:
            client.type("\n")
        container.wait_for_status()
    else:
        limited(*how.split(), container.name)

    assert not exists(cgroup)


@pytest.mark.parametrize("verb", ["ps", "rm"])
@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
def test_a_killed_keeper_leaves_it_to_the_next_command(
    limited: Ptyd, verb: str, *, paused: bool
) -> None:
    """What runs dies with its keeper; ``ps`` and ``rm`` remove the cgroup, with what was held."""
    container = limited.start("cat")
    pid, cgroup = container.pid, cgroup_of(container)
    if paused:
        pause(cgroup)
    os.kill(container.keeper_pid, signal.SIGKILL)
    wait_for_end(container.keeper_pid)
    if not paused:
        wait_for_end(pid)
        wait_until(lambda: not processes(cgroup))
    if verb == "rm":
        assert limited("rm", container.id).code == 0
    else:
        wait_until(lambda: limited("ps").code == 0 and not exists(cgroup))

    assert not exists(cgroup)
    assert not is_alive(pid)


def test_what_is_held_can_be_ended(limited: Ptyd) -> None:
    """``rm -f`` of a paused box, by v2's means or v1's."""
    container = limited.start("cat")
    cgroup = cgroup_of(container)
    pause(cgroup)
    assert is_paused(cgroup)
    container.remove()

    assert not exists(cgroup)


def test_a_limit_that_cannot_be_kept_is_an_error(theirs: Ptyd) -> None:
    """One line that says what would help, 125, nothing left; without a wish it runs."""
    done = theirs("run", "--memory", "64m", "true")
    names = theirs.names()
    free = theirs("run", "--rm", "echo", "fine")

    assert (done.code, names) == (125, [])
    assert len(done.err.splitlines()) == 1
    assert "systemd-run --user --scope -p Delegate=yes" in done.err
    assert free == (0, b"fine\n", "")


def test_nobody_keeps_limits_is_a_notice_on_a_terminal(theirs: Ptyd) -> None:
    """One line for a person, nothing for a script."""
    with theirs.terminal("ptyd", "run", "--rm", "true") as user:
        user.sees("no cgroup can be made here")

        assert user.finish() == 0
