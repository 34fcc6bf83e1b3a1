"""``ptyd update``: other limits and another restart policy, at once and from the next start on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptylaunch.freezer import processes
from ptylaunch.placement import Cgroup
from ptylaunch.usage import stats
from waiting import wait_until

if TYPE_CHECKING:
    from ptyd_user import Container, Ptyd

MIB = 1 << 20


def cgroup_of(container: Container) -> Cgroup:
    return Cgroup.from_json(container.state()["cgroup"])


def host_config(ptyd: Ptyd) -> dict[str, Any]:
    found: dict[str, Any] = ptyd.inspect("it")["HostConfig"]
    return found


def test_what_runs_is_limited_at_once_and_after_a_restart(limited: Ptyd) -> None:
    """The kernel's own files say so, and inspect; what was not asked for stays."""
    it = limited.start("--name", "it", "--memory", "64m", "sleep", "1000")
    words = ("--memory", "128m", "--memory-swap", "-1", "--cpus", "0.5", "--pids-limit", "77")
    assert limited("update", *words, "it") == (0, b"it\n", "")
    for restarted in (False, True):
        if restarted:
            assert limited("restart", "-t", "0", "it").code == 0
        used = stats(cgroup_of(it))
        assert (used.memory_limit, used.pids_limit) == (128 * MIB, 77)
        asked = host_config(limited)
        found = asked["Memory"], asked["NanoCpus"], asked["PidsLimit"]
        assert found == (128 * MIB, 500_000_000, 77)
    assert limited("update", "--pids-limit", "-1", "it").code == 0
    assert (stats(cgroup_of(it)).pids_limit, host_config(limited)["PidsLimit"]) == (None, 0)
    assert host_config(limited)["Memory"] == 128 * MIB


def test_a_box_gets_a_cpuset_that_it_did_not_have(ptyd: Ptyd) -> None:
    """With all that runs in it, what is forked later, and what exec starts; nothing is left."""
    script = "sleep 1000 & sleep 1000 & while :; do sleep 0.01; done"
    it = ptyd.start("--name", "it", "sh", "-c", script)
    wait_until(lambda: len(processes(cgroup_of(it))) > 3)
    assert not cgroup_of(it).has("cpuset")
    assert ptyd("update", "--cpuset-cpus", "0", "it").code == 0
    cgroup = cgroup_of(it)
    assert cgroup.has("cpuset")
    for pid in processes(cgroup):
        path = Path(f"/proc/{pid}/status")
        assert not path.exists() or "Cpus_allowed_list:\t0\n" in path.read_text()
    done = ptyd("exec", "it", "grep", "Cpus_allowed_list", "/proc/self/status")
    assert done.out == b"Cpus_allowed_list:\t0\n"
    it.remove()

    assert not [folder for folder in cgroup.folders if Path(folder).exists()]


def test_what_does_not_run_has_it_from_its_start_on(limited: Ptyd) -> None:
    """Created, or ended and its keeper still there."""
    script = "cat /proc/self/status"
    assert limited("create", "--name", "it", "--no-tty", "sh", "-c", script).code == 0
    for memory in (64, 96):
        done = limited("update", "--memory", f"{memory}m", "--memory-swap", "-1", "it")
        assert done == (0, b"it\n", "")
        assert host_config(limited)["Memory"] == memory * MIB
        assert limited("start", "-a", "it").code == 0


def test_another_policy_holds_from_the_next_end_on(anybody: Ptyd) -> None:
    """It ran once and is not restarted; then it is, and then it is not any more."""
    it = anybody.start("--name", "it", "sleep", "1000")
    assert anybody("update", "--restart", "on-failure:5", "it").code == 0
    assert host_config(anybody)["RestartPolicy"] == {
        "Name": "on-failure",
        "MaximumRetryCount": 5,
    }
    first = it.pid
    anybody("kill", "-s", "USR1", "it")
    wait_until(lambda: it.state().get("restarts") == 1 and it.state()["status"] == "running")
    assert it.pid != first
    assert anybody("update", "--restart", "no", "it").code == 0
    anybody("kill", "-s", "USR1", "it")

    assert it.wait_for_status() == 128 + 10


MISTAKES = (
    ([], "say what is to change"),
    (["--memory", "5m"], "6m is the least"),
    (["--memory", "1g"], "give --memory-swap as well"),
    (["--memory-swap", "10m"], "give --memory-swap as well"),
    (["--cpus", "0"], "from 0.01"),
    (["--cpuset-cpus", "4000"], "there are only"),
    (["--pids-limit", "x"], "it is a number"),
    (["--restart", "often"], "it is one of"),
    (["--restart", "always"], "--rm"),
)


def test_what_cannot_be_changed_is_one_line(ptyd: Ptyd) -> None:
    """And docker's exit code, 1; nothing has changed, of what runs nor of what is written down."""
    it = ptyd.start("--name", "it", "--rm", "--memory", "64m", "--memory-swap", "64m", "cat")
    before, used = host_config(ptyd), stats(cgroup_of(it)).memory_limit
    for words, line in MISTAKES:
        done = ptyd("update", *words, "it")
        assert (done.code, len(done.err.splitlines())) == (1, 1), done.err
        assert line in done.err
    assert "no such container" in ptyd("update", "--cpus", "1", "none").err

    assert (host_config(ptyd), stats(cgroup_of(it)).memory_limit) == (before, used)
    folder = Path(it.described["Paths"]["Config"]).parent
    assert not [each for each in folder.iterdir() if each.name.endswith(".new")]


def test_a_limit_that_nobody_keeps_is_refused_by_name(theirs: Ptyd) -> None:
    """An ordinary user without a cgroup of theirs, running or not."""
    theirs.start("--name", "runs", "sleep", "1000")
    assert theirs("create", "--name", "waits", "true").code == 0
    for name in ("runs", "waits"):
        done = theirs("update", "--pids-limit", "10", name)

        assert (done.code, len(done.err.splitlines())) == (1, 1)
        assert "a limit by pids" in done.err


def test_runc_is_asked_to(ptyd: Ptyd) -> None:
    """Its own update sets what its box may use."""
    it = ptyd.start("--name", "it", "--runtime", "runc", "--network", "none", "sleep", "1000")
    assert ptyd("update", "--memory", "64m", "--pids-limit", "88", "it") == (0, b"it\n", "")
    used = stats(cgroup_of(it))

    assert (used.memory_limit, used.pids_limit) == (64 * MIB, 88)
    assert json.loads(ptyd("inspect", "it").out)[0]["HostConfig"]["PidsLimit"] == 88


def test_weights_and_reservations(ptyd: Ptyd) -> None:
    """What docker's update has of them; memory's limit stays beside its reservation."""
    ptyd.start("--name", "it", "--memory", "64m", "sleep", "1000")
    words = ("--cpu-shares", "256", "--memory-reservation", "16m", "--memory", "96m")
    done = ptyd("update", *words, "--memory-swap", "-1", "it")
    config = host_config(ptyd)

    assert done == (0, b"it\n", "")
    assert (config["CpuShares"], config["MemoryReservation"]) == (256, 16 * MIB)
    assert config["Memory"] == 96 * MIB
