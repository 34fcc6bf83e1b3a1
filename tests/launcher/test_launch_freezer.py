"""Holding, letting go and killing all that a cgroup has, by v2's means and by v1's."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import leaks
from cgroups import NO_LIMITS, made, process_in
from ptylaunch.cgroup import create
from ptylaunch.errors import LaunchFailed
from ptylaunch.freezer import (
    is_paused,
    kill_all,
    pause,
    processes,
    resume,
    wait_until_empty,
)
from ptylaunch.placement import Cgroup
from waiting import is_alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY = ("sh", "-c", "while :; do :; done")
FAMILY = (
    "for i in 1 2 3; do sh -c 'trap \"\" TERM; while :; do sleep 9; done' & done; echo up; wait"
)


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    with leaks.checked():
        yield


@pytest.fixture(params=[(1, ""), (2, ""), (1, "box"), (2, "box")], ids=str)
def cgroup(request: pytest.FixtureRequest) -> Iterator[Cgroup]:
    version, inner = request.param
    with made(only=version, inner=inner) as cgroup:
        yield cgroup


def ticks(pid: int) -> int:
    """Return the processor time of a process in user mode, in clock ticks (proc(5))."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def test_what_is_held_does_not_move_and_goes_on_later(cgroup: Cgroup, tmp_path: Path) -> None:
    """A busy loop gets no time while another one does."""
    with process_in(cgroup, *BUSY) as process, process_in(Cgroup(), *BUSY) as other:
        wait_until(lambda: ticks(process.pid) > 0)
        pause(cgroup)
        held, begun = ticks(process.pid), ticks(other.pid)
        wait_until(lambda: ticks(other.pid) > begun + 5)
        states = [is_paused(cgroup)]
        after = ticks(process.pid)
        resume(cgroup)
        states.append(is_paused(cgroup))
        wait_until(lambda: ticks(process.pid) > held)

    assert after == held
    assert states == [True, False]


def test_pausing_twice_is_pausing(cgroup: Cgroup) -> None:
    """And so is resuming what runs; an empty cgroup is held as well."""
    resume(cgroup)
    pause(cgroup)
    pause(cgroup)
    paused = is_paused(cgroup)
    resume(cgroup)
    resume(cgroup)

    assert paused
    assert not is_paused(cgroup)


@pytest.mark.parametrize("held", [False, True], ids=["running", "held"])
def test_all_are_killed(cgroup: Cgroup, *, held: bool) -> None:
    """Whatever they ignore, held or not, and their end is seen."""
    with process_in(cgroup, "sh", "-c", FAMILY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        wait_until(lambda: len(processes(cgroup)) >= 4)
        pids = processes(cgroup)
        assert not wait_until_empty(cgroup, 0)
        if held:
            pause(cgroup)
        kill_all(cgroup)
        empty = wait_until_empty(cgroup, 20)
        for pid in leaks.descendants():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

        assert empty
        assert not [pid for pid in pids if is_alive(pid)]
        assert processes(cgroup) == []
    resume(cgroup)


def test_a_box_without_a_cgroup_cannot_be_paused() -> None:
    """One line that says so, and nothing else happens."""
    for verb in (pause, resume):
        with pytest.raises(LaunchFailed, match="no cgroup"):
            verb(Cgroup())
    kill_all(Cgroup())

    assert not is_paused(Cgroup())
    assert wait_until_empty(Cgroup(), 0)


def test_a_cgroup_that_is_gone_is_empty() -> None:
    """Whoever waits for its end has it."""
    with made() as cgroup:
        pass
    kill_all(cgroup)

    assert wait_until_empty(cgroup, 0)
    assert not is_paused(cgroup)


@pytest.mark.parametrize("only", [1, 2])
def test_cgroup_that_is_held_is_not_taken(only: int) -> None:
    """What entered it would never come out, and its builder would wait for it for ever."""
    with made(only=only) as cgroup:
        pause(cgroup)
        with pytest.raises(LaunchFailed, match="cgroup unexpectedly frozen"):
            create(cgroup, NO_LIMITS)
        resume(cgroup)
        create(cgroup, NO_LIMITS)
