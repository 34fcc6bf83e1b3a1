"""Limits as writes: the words of v1 and v2, and real ones on a running process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cgroups import made, process_in
from ptylaunch import allotment
from ptylaunch.allotment import update, weight_of, writes_v1, writes_v2
from ptylaunch.errors import LaunchFailed
from ptylaunch.placement import Cgroup
from ptylaunch.plan import Resources
from ptylaunch.resources import parse_list

M = 1 << 20
ALL = Resources(100 * M, 150 * M, 50 * M, 2048, 50_000, 100_000, "0", "0", 9)


def test_v1_has_its_words() -> None:
    """Memory and swap are counted together, as OCI does."""
    writes = {write.file: write.value for write in writes_v1(ALL)}

    assert writes == {
        "memory.limit_in_bytes": str(100 * M),
        "memory.memsw.limit_in_bytes": str(150 * M),
        "memory.soft_limit_in_bytes": str(50 * M),
        "cpu.shares": "2048",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "50000",
        "cpuset.cpus": "0",
        "cpuset.mems": "0",
        "pids.max": "9",
    }


def test_v2_has_others() -> None:
    """Swap alone, a weight for shares, quota and period in one file."""
    writes = {write.file: write.value for write in writes_v2(ALL)}

    assert writes == {
        "memory.max": str(100 * M),
        "memory.swap.max": str(50 * M),
        "memory.low": str(50 * M),
        "cpu.weight": "174",
        "cpu.max": "50000 100000",
        "cpuset.cpus": "0",
        "cpuset.mems": "0",
        "pids.max": "9",
    }


def test_no_limit_is_a_number_or_a_word() -> None:
    """-1 is v1's own, v2 says max."""
    none = Resources(memory=-1, swap=-1, quota=-1, pids=-1)

    assert {write.value for write in writes_v1(none)} == {"-1", "max"}
    assert {write.value for write in writes_v2(none)} == {"max", "max 100000"}


@given(st.integers(-5, 1 << 20), st.integers(-5, 1 << 20))
def test_weights_keep_the_order_of_shares(one: int, other: int) -> None:
    """And stay in v2's range."""
    small, large = sorted((one, other))

    assert 1 <= weight_of(small) <= weight_of(large) <= 10000


def test_the_default_weight_is_the_default() -> None:
    """1024 shares and 100 are what a cgroup has that asks for nothing."""
    assert [weight_of(shares) for shares in (2, 1024, 262144)] == [1, 100, 10000]


@pytest.mark.parametrize("inner", ["", "box"])
def test_a_running_process_is_limited_anew(inner: str) -> None:
    """Processors, quota and processes of what runs already."""
    with (
        made(Resources(cpus="0"), inner=inner) as cgroup,
        process_in(cgroup, "sh", "-c", "while read _; do (true) && echo forked; done") as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        forked = process.stdout.readline()
        update(cgroup, Resources(pids=1, quota=20_000, period=100_000))
        process.stdin.write(b"\n")
        process.stdin.close()

        assert forked == b"forked\n"
        assert process.stdout.read() == b""
        assert os.sched_getaffinity(process.pid) == {0}
        folder = cgroup.v1_folder("cpu")
        name = f"{folder}/cpu.cfs_quota_us" if folder else f"{cgroup.unified}/cpu.max"
        assert Path(name).read_text().split()[0] == "20000"


@pytest.mark.parametrize("inner", ["", "box"])
def test_processors_are_changed_in_any_order(inner: str) -> None:
    """More, fewer, others: a v1 cpuset always holds what is below it."""
    every = f"0-{(os.cpu_count() or 1) - 1}"
    last = every.rpartition("-")[2]
    with made(Resources(cpus="0"), inner=inner) as cgroup, process_in(cgroup, "cat") as process:
        seen = []
        for cpus in (every, last, "0", every):
            update(cgroup, Resources(cpus=cpus))
            seen.append(os.sched_getaffinity(process.pid))

    assert seen == [parse_list(cpus) for cpus in (every, last, "0", every)]


def test_memory_is_raised_and_lowered_in_any_order() -> None:
    """The limit of memory is never above that of memory and swap, whichever comes first."""
    with made(Resources(memory=32 * M, swap=32 * M)) as cgroup:
        update(cgroup, Resources(memory=64 * M, swap=96 * M))
        update(cgroup, Resources(memory=16 * M, swap=16 * M))
        folder = cgroup.v1_folder("memory") or cgroup.unified
        limit = next(Path(folder, n) for n in ("memory.limit_in_bytes", "memory.max")
                     if Path(folder, n).exists())  # fmt: skip

        assert limit.read_text() == f"{16 * M}\n"


def test_a_failed_update_changes_nothing() -> None:
    """What was written before the failure is put back."""
    with made(Resources(memory=32 * M, pids=5, quota=10_000, period=50_000)) as cgroup:
        before = {path: path.read_text() for path in limits_in(cgroup)}
        with pytest.raises(LaunchFailed) as caught:
            update(cgroup, Resources(memory=16 * M, period=100_000, quota=1))

        assert caught.value.stage == "cgroup"
        assert "cpu" in str(caught.value)
        assert {path: path.read_text() for path in limits_in(cgroup)} == before


def limits_in(cgroup: Cgroup) -> list[Path]:
    names = ("memory.limit_in_bytes", "memory.max", "cpu.cfs_period_us", "cpu.cfs_quota_us")
    names += ("cpu.max", "pids.max")
    every = (Path(folder, name) for folder in cgroup.folders for name in names)
    return [path for path in every if path.exists()]


def test_processors_that_are_not_there_are_refused() -> None:
    """v2 would take the list and run the box elsewhere."""
    missing = (os.cpu_count() or 1) + 3
    with made(Resources(cpus="0")) as cgroup, pytest.raises(LaunchFailed) as caught:
        update(cgroup, Resources(cpus=f"0,{missing}"))

    assert f"cpus 0,{missing}: there are only" in str(caught.value)


def test_a_limit_that_nobody_keeps_is_refused() -> None:
    """A box without a cgroup cannot be limited, and the line names the controllers."""
    with pytest.raises(LaunchFailed) as caught:
        update(Cgroup(), Resources(memory=M, pids=3))

    assert caught.value.exit_code == 125
    assert "memory and pids" in str(caught.value)


def test_without_a_wish_nothing_is_needed() -> None:
    """The same box, not limited, is no error."""
    update(Cgroup(), Resources())


def test_swap_is_limited_where_there_is_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that does not count swap keeps the limit only where there is nothing to count."""
    (tmp_path / "memory.max").write_text("max")
    cgroup, wish = Cgroup(str(tmp_path), ("memory",)), Resources(memory=64 * M, swap=64 * M)
    monkeypatch.setattr(allotment, "has_swap", lambda: False)
    update(cgroup, wish)
    monkeypatch.setattr(allotment, "has_swap", lambda: True)
    with pytest.raises(LaunchFailed, match="swap"):
        update(cgroup, wish)

    assert (tmp_path / "memory.max").read_text() == str(64 * M)


def test_v2_is_written_where_v1_does_not_serve(tmp_path: Path) -> None:
    """On a unified host; here the files are a made-up tree."""
    for name in (
        "memory.max",
        "memory.swap.max",
        "memory.low",
        "cpu.weight",
        "cpu.max",
        "pids.max",
    ):
        (tmp_path / name).write_text("max")
    cgroup = Cgroup(str(tmp_path), ("cpu", "memory", "pids"), ())
    update(cgroup, ALL._replace(cpus="", mems=""))

    assert (tmp_path / "pids.max").read_text()[0] == "9"
    assert (tmp_path / "cpu.max").read_text() == "50000 100000"
    assert (tmp_path / "memory.swap.max").read_text() == str(50 * M)
