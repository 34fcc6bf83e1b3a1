"""What a cgroup says of its use, in v1 and v2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cgroups import made, process_in
from ptylaunch.placement import Cgroup
from ptylaunch.plan import Resources
from ptylaunch.usage import Usage, event_of, stats
from waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

M = 1 << 20
HUNGRY = "x = bytearray(20 << 20); print(flush=True); input()"
GREEDY = "x = bytearray(200 << 20)"


def test_use_is_counted() -> None:
    """Memory that is touched, time that is spent, processes that are there."""
    with (
        made(Resources(memory=64 * M, pids=10, quota=50_000, period=100_000)) as cgroup,
        process_in(cgroup, "/usr/bin/python3", "-c", HUNGRY) as process,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        usage = stats(cgroup)

    assert usage.memory is not None
    assert usage.memory_peak is not None
    assert 20 * M <= usage.memory <= usage.memory_peak <= 64 * M
    assert (usage.memory_limit, usage.pids, usage.pids_limit) == (64 * M, 1, 10)
    assert usage.cpu is not None
    assert usage.cpu >= 1_000_000
    assert usage.oom_kills == 0


@pytest.mark.parametrize("inner", ["", "box"])
def test_kills_for_memory_are_counted(inner: str) -> None:
    """The kernel's own count, and the process is gone by SIGKILL."""
    with (
        made(Resources(memory=32 * M, swap=32 * M), inner=inner) as cgroup,
        process_in(cgroup, "/usr/bin/python3", "-c", GREEDY) as process,
    ):
        wait_until(lambda: process.poll() is not None)

        assert process.returncode == -9
        assert stats(cgroup).oom_kills == 1


def test_v2_files_are_read(tmp_path: Path) -> None:
    """Of a made-up cgroup: each file in its unit."""
    for name, text in {
        "memory.current": "4096\n",
        "memory.peak": "8192\n",
        "memory.max": "max\n",
        "memory.events": "low 0\noom 3\noom_kill 2\n",
        "cpu.stat": "usage_usec 9\nuser_usec 5\nsystem_usec 4\nnr_periods 3\nnr_throttled 1\n"
        "throttled_usec 7\n",
        "pids.current": "3\n",
        "pids.max": "12\n",
    }.items():
        (tmp_path / name).write_text(text)

    assert stats(Cgroup(str(tmp_path), ("memory", "pids"))) == Usage(
        4096, 8192, None, 2, 9000, 5000, 4000, 3, 1, 7000, 3, 12
    )


def test_an_event_has_runcs_words() -> None:
    """``runc events --stats``: nanoseconds and bytes, the largest number for no limit."""
    event = event_of("box", Usage(4096, 8192, None, 2, 9000, 5000, 4000, 3, 1, 7000, 3, None))

    assert (event["type"], event["id"]) == ("stats", "box")
    assert event["data"]["cpu"] == {
        "usage": {"total": 9000, "kernel": 4000, "user": 5000},
        "throttling": {"periods": 3, "throttledPeriods": 1, "throttledTime": 7000},
    }
    assert event["data"]["memory"]["usage"] == {"limit": 2**64 - 1, "usage": 4096, "max": 8192}
    assert event["data"]["pids"] == {"current": 3, "limit": 0}


def test_nothing_is_known_of_nothing() -> None:
    """No cgroup, or one that is gone."""
    with made() as gone:
        pass

    assert stats(Cgroup()) == stats(gone) == Usage()
