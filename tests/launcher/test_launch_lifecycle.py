"""create, start, state, kill and delete: a container's life as podman and conmon drive it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from leaks import descendants
from oci_user import Runtime, runtime, users
from ptylaunch.placement import Cgroup
from waiting import is_alive, wait_for_end, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=users())
def oci(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    with runtime(request.param) as made:
        yield made


def finish(oci: Runtime, *names: str) -> None:
    for name in names:
        oci.do("delete", "--force", name)


def test_container_is_created_then_started_then_deleted(oci: Runtime, tmp_path: Path) -> None:
    """Its program runs when start says so and not before, with the creator's output as its own."""
    oci.script("echo ran; exit 3")
    with (tmp_path / "out").open("w+") as out:
        oci.do("create", "c", stdout=out)
        created = oci.state("c")
        said_before = (tmp_path / "out").read_text()
        oci.do("start", "c")
        wait_for_end(created["pid"])
        stopped = oci.state("c")
        oci.do("delete", "c")

    assert said_before == ""
    assert (tmp_path / "out").read_text() == "ran\n"
    assert created["status"] == "created"
    assert is_alive(created["pid"]) is False
    assert (stopped["status"], stopped["pid"]) == ("stopped", 0)
    assert list(oci.root.iterdir()) == []


def test_state_is_the_specs(oci: Runtime) -> None:
    """These fields and no others; the version and the annotations are the config's."""
    oci.edit("annotations", to={"a.b": "c"})
    oci.edit("ociVersion", to="1.0.2")
    oci.script("exec sleep 1000")
    oci.do("create", "c")
    oci.do("start", "c")
    state = oci.state("c")
    finish(oci, "c")

    assert state == {
        "ociVersion": "1.0.2",
        "id": "c",
        "status": "running",
        "pid": state["pid"],
        "bundle": str(oci.bundle),
        "annotations": {"a.b": "c"},
    }


def test_nothing_of_ours_stays_beside_a_created_container(oci: Runtime) -> None:
    """What waits is the container's own process, and it holds neither folder nor creator."""
    before = descendants()
    oci.do("create", "c")
    waiting = descendants() - before
    pid = oci.pid("c")
    held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    finish(oci, "c")

    assert waiting == {pid}
    assert [name.partition(":")[0] for name in held[3:]] == ["socket"]


@pytest.mark.parametrize("init", [False, True])
def test_detached_container_lives_on(oci: Runtime, *, init: bool) -> None:
    """``run --detach`` ends at once; a signal ends its container, with or without an init."""
    if init:
        oci.edit("annotations", to={"org.ptyd.init": "true"})
    oci.script("trap 'exit 5' TERM; echo >/tmp/ready; while :; do sleep 0.1; done")
    oci.edit("root", "readonly", to=False)
    oci.do("run", "--detach", "--pid-file", "pid", "c")
    pid = int((oci.bundle / "pid").read_text())
    wait_until((oci.bundle / "rootfs/tmp/ready").exists)
    state = oci.state("c")
    oci.do("kill", "c", "SIGTERM")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])  # we are the subreaper
    finish(oci, "c")

    assert state["status"] == "running"
    assert state["pid"] == pid
    assert status == 5


def test_killed_foreground_run_takes_its_container_along(oci: Runtime) -> None:
    """Nobody is left to wait for it."""
    oci.script("exec sleep 1000")
    process = oci.popen("run", "c")
    wait_until((oci.root / "c/state.json").exists)
    wait_until(lambda: oci.state("c")["status"] == "running")
    pid = oci.pid("c")
    process.kill()
    process.wait(30)
    wait_for_end(pid)
    status = oci.state("c")["status"]
    finish(oci, "c")

    assert status == "stopped"


@pytest.mark.parametrize("word", ["KILL", "SIGKILL", "kill", "9"])
def test_created_container_can_be_killed(oci: Runtime, word: str) -> None:
    """Signals have names and numbers."""
    oci.do("create", "c")
    pid = oci.pid("c")
    oci.do("kill", "c", word)
    wait_for_end(pid)
    again = oci.run("kill", "c", word)
    finish(oci, "c")

    assert again.returncode == 1
    assert again.stderr == "ptylaunch: container not running: c\n"


def test_waiting_program_hears_the_default_signal(oci: Runtime) -> None:
    """Though it is a pid 1, which gets no signal that it does not ask for."""
    oci.do("create", "c")
    pid = oci.pid("c")
    oci.do("kill", "c")
    wait_for_end(pid)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 128 + signal.SIGTERM
    finish(oci, "c")


def test_signal_reaches_all_processes(oci: Runtime) -> None:
    """``--all``: those too that the first process would not pass it on to."""
    oci.edit("root", "readonly", to=False)
    oci.script(
        "trap '' USR1; (trap 'echo >/tmp/heard; exit' USR1; echo >/tmp/ready;"
        " while :; do sleep 0.1; done) & wait; while :; do sleep 1; done"
    )
    oci.do("run", "-d", "c")
    wait_until((oci.bundle / "rootfs/tmp/ready").exists)
    oci.do("kill", "--all", "c", "USR1")
    wait_until((oci.bundle / "rootfs/tmp/heard").exists)
    finish(oci, "c")


def test_running_container_is_deleted_by_force_only(oci: Runtime) -> None:
    """A created one is ended without: its program never ran."""
    oci.script("trap '' TERM; exec sleep 1000")
    oci.do("create", "waits")
    oci.do("run", "-d", "runs")
    refused = oci.run("delete", "runs")
    oci.do("delete", "waits")
    oci.do("delete", "--force", "runs")

    assert refused.returncode == 1
    assert "runs is running" in refused.stderr
    assert oci.run("delete", "--force", "runs").returncode == 0
    assert oci.run("delete", "runs").returncode == 1


def test_container_without_a_pid_namespace_is_ended_with_its_children(oci: Runtime) -> None:
    """``delete --force`` kills its descendants too; the kernel would not."""
    spec = json.loads((oci.bundle / "config.json").read_text())
    kinds = [kind for kind in spec["linux"]["namespaces"] if kind["type"] != "pid"]
    oci.edit("linux", "namespaces", to=kinds)
    oci.edit("mounts", 0, to={"destination": "/tmp", "type": "tmpfs"})  # no proc without pids
    oci.script("sleep 1000 & sleep 1000 & wait")
    before = descendants()
    oci.do("run", "-d", "c")
    wait_until(lambda: len(descendants() - before) == 3)
    pids = json.loads(oci.do("ps", "--format", "json", "c"))
    oci.do("delete", "--force", "c")

    assert set(pids) == descendants() - before
    for pid in pids:
        wait_for_end(pid)


def test_a_container_is_started_once(oci: Runtime) -> None:
    """Neither a running nor a stopped one is."""
    oci.script("exec sleep 1000")
    oci.do("run", "-d", "c")
    running = oci.run("start", "c")
    pid = oci.pid("c")
    oci.do("kill", "c", "KILL")
    wait_for_end(pid)
    stopped = oci.run("start", "c")
    finish(oci, "c")

    assert (running.returncode, stopped.returncode) == (1, 1)
    assert "is running" in running.stderr
    assert "is stopped" in stopped.stderr


def test_reused_pid_is_not_ours(oci: Runtime) -> None:
    """A process with the pid of an old container is neither its state nor a target."""
    oci.script("exit 0")
    oci.do("run", "--keep", "c")
    file = oci.root / "c/state.json"
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        state = json.loads(file.read_text())
        file.write_text(json.dumps(state | {"process": state["process"] | {"pid": stranger.pid}}))
        status = oci.state("c")["status"]
        killed = oci.run("kill", "c", "KILL")
        finish(oci, "c")

        assert (status, killed.returncode) == ("stopped", 1)
        assert stranger.poll() is None
        stranger.kill()


def test_an_id_is_taken_once(oci: Runtime) -> None:
    """The second create neither harms the first nor leaves anything."""
    oci.do("create", "c")
    second = oci.run("create", "--pid-file", "second.pid", "c")
    state = oci.state("c")
    finish(oci, "c")

    assert second.returncode == 1
    assert second.stderr == "ptylaunch: container c exists already\n"
    assert state["status"] == "created"
    assert not (oci.bundle / "second.pid").exists()


def test_create_that_was_killed_leaves_an_id_that_can_be_used(oci: Runtime) -> None:
    """Its folder is a leftover: nobody lists it, the next create takes it, delete removes it."""
    (oci.root / "c").mkdir(parents=True, mode=0o700)
    (oci.root / "c/.state.json.new").write_text("half")
    if oci.uid != os.geteuid():
        for path in (oci.root, oci.root / "c", oci.root / "c/.state.json.new"):
            os.chown(path, oci.uid, -1)
    listed = oci.do("list", "-q")
    oci.do("create", "c")
    oci.do("delete", "c")

    assert listed == ""


def test_program_that_vanished_fails_at_start(oci: Runtime) -> None:
    """The container is stopped then, and deleted as any other."""
    program = oci.bundle / "rootfs/program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    oci.edit("process", "args", to=["/program"])
    oci.do("create", "c")
    pid = oci.pid("c")
    program.unlink()
    done = oci.run("start", "c")
    wait_for_end(pid)
    status = oci.state("c")["status"]
    oci.do("delete", "c")

    assert done.returncode == 1
    assert done.stderr == "ptylaunch: exec: /program: No such file or directory\n"
    assert status == "stopped"


def has_cgroup(oci: Runtime, name: str) -> bool:
    """Tell whether this user may make cgroups on this host."""
    fields = json.loads((oci.root / name / "cgroup.json").read_text())
    return bool(Cgroup.from_json(fields).folders)


def test_paused_container_stands_still_until_it_is_resumed(oci: Runtime) -> None:
    """Or it is said that it cannot be, where this user has no cgroups."""
    oci.script("exec sleep 1000")
    oci.do("run", "-d", "c")
    if has_cgroup(oci, "c"):
        oci.do("pause", "c")
        assert oci.state("c")["status"] == "paused"
        assert "is paused, not running" in oci.run("pause", "c").stderr
        oci.do("resume", "c")
        assert oci.state("c")["status"] == "running"
        oci.do("pause", "c")  # and is deleted so
    else:
        assert "has no cgroup" in oci.run("pause", "c").stderr
    assert oci.run("resume", "nobody").returncode == 1
    finish(oci, "c")


def test_cgroup_holds_the_container_and_goes_with_it(oci: Runtime) -> None:
    """From create on, through ps, to delete; a leftover's goes with the next create."""
    oci.do("create", "c")
    fields = json.loads((oci.root / "c/cgroup.json").read_text())
    rooms = [Path(room) for room in Cgroup.from_json(fields).rooms]
    inside = [(room / "cgroup.procs").read_text().split() for room in rooms]
    pid = oci.pid("c")
    oci.do("kill", "c", "KILL")
    wait_for_end(pid)
    (oci.root / "c/state.json").unlink()  # as if its create had been killed
    oci.do("create", "c")
    again = json.loads((oci.root / "c/cgroup.json").read_text())
    finish(oci, "c")

    assert inside == [[str(pid)]] * len(rooms)
    assert again != fields or rooms == []
    assert not any(room.exists() for room in rooms)
    assert not any(Path(room).exists() for room in Cgroup.from_json(again).rooms)


def test_limit_without_cgroups_is_an_error(oci: Runtime) -> None:
    """``--cgroup-manager disabled`` makes none, and says so where one is wanted."""
    oci.do("--cgroup-manager", "disabled", "create", "c")
    bare = not has_cgroup(oci, "c")
    finish(oci, "c")
    oci.edit("linux", "resources", to={"pids": {"limit": 100}})
    done = oci.run("--cgroup-manager", "disabled", "create", "c")

    assert bare
    assert done.returncode == 1
    assert "cgroup" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(oci.root.iterdir()) == []
