"""Verbs that meet: keepers that are killed on the way, races, and containers of somebody else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ptykeep import lock
from waiting import wait_for_end, wait_until

if TYPE_CHECKING:
    from ptyd_user import Ptyd

VERBS = ("start", "stop", "restart", "pause", "unpause", "kill", "rm")


def read_state(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return found


MOMENTS = {
    "it has the lock": lambda folder: lock.keeper_pid(str(folder)),
    "it has written where its cgroup is": lambda folder: read_state(folder).get("cgroup"),
    "the box is there": lambda folder: read_state(folder).get("init_pid"),
    "the program runs": lambda folder: read_state(folder)["status"] == "running",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_keeper_that_is_killed_on_the_way(ptyd: Ptyd, moment: str) -> None:
    """Whenever that is: one line, ``ps`` shows it, and it can be started once more."""
    ptyd("create", "--name", "it", "sleep", "1000")
    folder = Path(ptyd.root, "containers", ptyd.inspect("it")["Id"])
    with ptyd.background("ptyd", "start", "it") as start:
        wait_until(lambda: MOMENTS[moment](folder))
        keeper = lock.keeper_pid(str(folder))
        if keeper is not None:
            os.kill(keeper, signal.SIGKILL)
            wait_for_end(keeper)
        _, errors = start.communicate(timeout=40)
    shown = ptyd("ps", "-a").out.decode()
    again = ptyd("start", "it")

    assert start.returncode in (0, 1)
    assert errors.count(b"\n") == start.returncode
    assert "Created" in shown or "Exited (unknown)" in shown
    assert again == (0, b"it\n", "")
    assert ptyd.inspect("it")["State"]["Running"] is True


def test_two_who_start_it_at_once(ptyd: Ptyd) -> None:
    """It is started once, and both are content."""
    ptyd("create", "--name", "it", "sleep", "1000")
    with (
        ptyd.background("ptyd", "start", "it") as one,
        ptyd.background("ptyd", "start", "it") as other,
    ):
        errors = [each.communicate(timeout=40)[1] for each in (one, other)]

    assert errors == [b"", b""]
    assert (one.returncode, other.returncode) == (0, 0)
    assert ptyd.container("it").state()["epoch"] == 1


def test_who_starts_and_who_removes(ptyd: Ptyd) -> None:
    """One of them wins: it runs and was not removed, or it is gone as a whole."""
    for _ in range(4):
        created = ptyd("create", "--name", "it", "sleep", "1000").out.decode().strip()
        with (
            ptyd.background("ptyd", "start", "it") as start,
            ptyd.background("ptyd", "rm", "it") as remove,
        ):
            errors = [each.communicate(timeout=40)[1] for each in (start, remove)]
        is_there = os.path.isdir(f"{ptyd.root}/containers/{created}")

        assert (start.returncode, remove.returncode) == ((0, 1) if is_there else (1, 0)), errors
        if is_there:
            assert ptyd.inspect("it")["State"]["Running"] is True
            assert ptyd("rm", "-f", "it").code == 0
        assert ptyd.left() == []


def test_every_verb_on_what_was_removed(ptyd: Ptyd) -> None:
    """One line and 1."""
    ptyd("run", "--rm", "true")
    done = {verb: ptyd(verb, "gone") for verb in VERBS}
    renamed = ptyd("rename", "gone", "other")

    assert {verb: each.code for verb, each in done.items()} == dict.fromkeys(VERBS, 1)
    assert all(each.err.count("\n") == 1 for each in (*done.values(), renamed))


def test_every_verb_on_somebody_elses(ptyd: Ptyd, theirs: Ptyd) -> None:
    """An ordinary user gets one line, and root's goes on."""
    it = ptyd.start("--name", "it", "sleep", "1000")
    done = {verb: theirs(verb, "it", PTYD_ROOT=ptyd.root) for verb in (*VERBS, "prune -f")}

    assert all(each.code and each.err.count("\n") == 1 for each in done.values()), done
    assert it.state()["status"] == "running"


def test_root_on_what_is_theirs(theirs: Ptyd) -> None:
    """Root may end it, hold it or remove it; to start it is for its owner alone."""
    it = theirs.start("--name", "it", "sleep", "1000")
    words = [theirs.command("ptyd", verb, "it")[-3:] for verb in ("stop", "start", "rm")]
    done = [
        subprocess.run(each, env=theirs.env, capture_output=True, check=False, timeout=60)
        for each in words
    ]

    assert [each.returncode for each in done] == [0, 1, 0], done
    assert done[1].stderr == b"ptyd start: it is another user's, who alone can start it\n"
    wait_for_end(it.keeper_pid)
