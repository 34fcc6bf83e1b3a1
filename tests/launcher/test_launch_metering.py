"""update and events: limits of a container that runs, and what it uses."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oci_user import Runtime, runtime
from ptylaunch.errors import Refused
from ptylaunch.metering import FLAGS, parse_bytes, parse_duration
from ptylaunch.placement import Cgroup
from ptylaunch.usage import stats
from waiting import wait_for_end

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def oci() -> Iterator[Runtime]:
    """Make a container ``c`` of root's that runs: an ordinary user has no cgroup to limit here."""
    with runtime("root") as made:
        made.script("exec sleep 1000")
        made.do("run", "--detach", "c")
        yield made
        made.do("delete", "--force", "c")


def cgroup_of(oci: Runtime) -> Cgroup:
    return Cgroup.from_json(json.loads((oci.root / "c/cgroup.json").read_text()))


def file_of(oci: Runtime, controller: str, v1: str, v2: str) -> str:
    cgroup = cgroup_of(oci)
    folder = cgroup.v1_folder(controller)
    path = Path(folder, v1) if folder else Path(cgroup.unified, v2)
    return path.read_text().strip()


def test_flags_set_limits(oci: Runtime) -> None:
    """Each in its file, and those that were not named stay."""
    oci.do("update", "--memory", "64m", "--pids-limit", "30", "c")
    oci.do("update", "--cpuset-cpus", "0", "--cpu-quota", "50000", "--cpu-period", "100000", "c")

    usage = stats(cgroup_of(oci))
    assert (usage.memory_limit, usage.pids_limit) == (64 << 20, 30)
    assert file_of(oci, "cpuset", "cpuset.cpus", "cpuset.cpus") == "0"
    assert file_of(oci, "cpu", "cpu.cfs_quota_us", "cpu.max").startswith("50000")


@pytest.mark.parametrize("where", ["file", "-"])
def test_limits_are_read_from_json(oci: Runtime, where: str) -> None:
    """As podman and containerd send them: a file, or standard input; zeros say nothing."""
    wanted = {"memory": {"limit": 32 << 20}, "pids": {"limit": 20}, "cpu": {"shares": 0}}
    path = oci.bundle / "file"
    path.write_text(json.dumps(wanted))
    with path.open() as file:
        oci.do("update", "--resources", where, "c", stdin=file)

    usage = stats(cgroup_of(oci))
    assert (usage.memory_limit, usage.pids_limit) == (32 << 20, 20)


def test_swap_counts_from_the_memory_it_has(oci: Runtime) -> None:
    """--memory-swap alone means the limit that is in force."""
    oci.do("update", "--memory", "64m", "c")
    oci.do("update", "--memory-swap", "128m", "c")

    assert stats(cgroup_of(oci)).memory_limit == 64 << 20


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "nothing to update: give --resources or one of the limits"),
        (("--memory", "much"), "--memory 'much': it must be a number"),
        (("--pids-limit", "x"), "--pids-limit 'x': it must be a number"),
        (("--blkio-weight", "x"), "--blkio-weight 'x': it must be a number"),
        (("--kernel-memory", "1m"), "--kernel-memory is not supported"),
        (
            ("--cpuset-cpus", "9-1"),
            "spec: linux.resources.cpu.cpus: '9-1' is no list such as 0-3,5",
        ),
        (("--resources", "none"), "none: No such file or directory"),
    ],
)
def test_update_that_cannot_be_done_is_one_line(
    oci: Runtime, words: tuple[str, ...], line: str
) -> None:
    """And changes nothing."""
    before = stats(cgroup_of(oci))

    done = oci.run("update", *words, "c")

    assert (done.returncode, done.stderr) == (1, f"ptylaunch: {line}\n")
    after = stats(cgroup_of(oci))
    assert (after.memory_limit, after.pids_limit) == (before.memory_limit, before.pids_limit)


def test_field_that_we_cannot_limit_is_refused(oci: Runtime) -> None:
    """By its name, as in a config.json."""
    (oci.bundle / "r").write_text('{"rdma": {"mlx5_1": {"hcaHandles": 3}}}')

    done = oci.run("update", "--resources", "r", "c")

    assert "no limit by rdma: not a controller here" in done.stderr


def test_every_flag_is_offered(oci: Runtime) -> None:
    """The help names what update takes."""
    text = oci.do("update", "--help")

    assert all(f"--{flag} " in text for flag in FLAGS)


def test_events_are_told_once_or_until_the_end(oci: Runtime) -> None:
    """In runc's form, a line each."""
    once: dict[str, Any] = json.loads(oci.do("events", "--stats", "c"))
    follower = oci.popen("events", "--interval", "10ms", "c", stdout=subprocess.PIPE)
    assert follower.stdout is not None
    lines = [json.loads(follower.stdout.readline()) for _ in range(3)]
    pid = oci.pid("c")
    oci.do("kill", "c", "KILL")
    wait_for_end(pid)
    follower.communicate(timeout=30)

    assert follower.returncode == 0
    assert (once["type"], once["id"]) == ("stats", "c")
    assert once["data"]["pids"]["current"] == 1
    assert all(line["data"]["memory"]["usage"]["usage"] > 0 for line in lines)


def test_events_tell_of_the_want_of_memory(oci: Runtime) -> None:
    """Who follows learns that a process was killed for it."""
    oci.do("update", "--memory", "8m", "--memory-swap", "8m", "c")
    follower = oci.popen("events", "--interval", "10ms", "c", stdout=subprocess.PIPE)
    assert follower.stdout is not None
    follower.stdout.readline()
    hog = oci.run("exec", "c", "sh", "-c", "x=a; while :; do x=$x$x; done")
    kinds = iter(lambda: json.loads(follower.stdout.readline())["type"], "oom")  # type: ignore[union-attr]
    told = sum(1 for _ in kinds)
    follower.kill()
    follower.communicate(timeout=30)

    assert hog.returncode == 137
    assert told >= 0


def test_stopped_container_has_neither(oci: Runtime) -> None:
    """One line says so."""
    pid = oci.pid("c")
    oci.do("kill", "c", "KILL")
    wait_for_end(pid)
    updated = oci.run("update", "--memory", "64m", "c")
    told = oci.run("events", "--stats", "c")

    assert updated.stderr == "ptylaunch: container c is stopped\n"
    assert told.stderr == "ptylaunch: container not running: c\n"


@pytest.mark.parametrize(
    ("text", "number"),
    [("-1", -1), ("0", 0), ("64m", 64 << 20), ("1G", 1 << 30), ("2kb", 2048), ("3KiB", 3072)],
)
def test_bytes_have_units(text: str, number: int) -> None:
    """Powers of 1024, as docker's."""
    assert parse_bytes(text) == number


@given(st.text(max_size=8))
def test_no_text_breaks_the_parsers(text: str) -> None:
    """A number or their own refusal."""
    try:
        assert parse_bytes(text) >= -1
    except ValueError:
        pass
    try:
        assert parse_duration(text) > 0
    except Refused:
        pass


def test_durations_are_gos() -> None:
    """As --interval of runc takes them."""
    assert parse_duration("1m30s") == 90
    assert parse_duration("250ms") == 0.25
