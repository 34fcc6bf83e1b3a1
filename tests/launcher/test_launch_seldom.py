"""Limits that few ask for: read from a spec, written to the files of whichever version there is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cgroups import made
from ptylaunch.allotment import update
from ptylaunch.cgroup import create, remove
from ptylaunch.errors import LaunchFailed
from ptylaunch.placement import Cgroup, asked, place
from ptylaunch.resources import read_resources


def written(fields: dict[str, Any], version: int) -> list[tuple[str, str]]:
    """Return the first choice of each write."""
    found = read_resources(fields).seldom
    return [lines[0] for each in found if (lines := each.v1 if version == 1 else each.v2)]


@pytest.mark.parametrize(
    ("fields", "v1", "v2"),
    [
        (
            {"hugepageLimits": [{"pageSize": "2MB", "limit": 4096}]},
            [
                ("hugetlb.2MB.limit_in_bytes", "4096"),
                ("hugetlb.2MB.rsvd.limit_in_bytes", "4096"),
            ],
            [("hugetlb.2MB.max", "4096"), ("hugetlb.2MB.rsvd.max", "4096")],
        ),
        (
            {"blockIO": {"weight": 1000, "leafWeight": 10}},
            [("blkio.weight", "1000"), ("blkio.leaf_weight", "10")],
            [("io.bfq.weight", "1000")],
        ),
        (
            {"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 500}]}},
            [("blkio.weight_device", "8:0 500")],
            [("io.bfq.weight", "8:0 500")],
        ),
        (
            {"blockIO": {"throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 9}]}},
            [("blkio.throttle.write_iops_device", "8:16 9")],
            [("io.max", "8:16 wiops=9")],
        ),
        (
            {"network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 5}]}},
            [("net_cls.classid", "1048577"), ("net_prio.ifpriomap", "eth0 5")],
            [],
        ),
        (
            {"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}}},
            [("rdma.max", "mlx5_1 hca_handle=3 hca_object=10000")],
            [("rdma.max", "mlx5_1 hca_handle=3 hca_object=10000")],
        ),
        ({"unified": {"memory.high": "1G"}}, [], [("memory.high", "1G")]),
        ({"blockIO": {"weight": 0}, "network": {}, "hugepageLimits": []}, [], []),
    ],
    ids=["huge", "weight", "device", "throttle", "network", "rdma", "unified", "nothing"],
)
def test_limit_becomes_lines_of_both_versions(
    fields: dict[str, Any], v1: list[tuple[str, str]], v2: list[tuple[str, str]]
) -> None:
    """By the words of the kernel's documents."""
    assert (written(fields, 1), written(fields, 2)) == (v1, v2)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hugepageLimits": [{"pageSize": "../x", "limit": 1}]}, "no size such as 2MB"),
        ({"hugepageLimits": [{"pageSize": "2MB"}]}, "hugepageLimits[0].limit"),
        ({"blockIO": {"weight": 5}}, "blockIO.weight must be a number from 10 to 1000"),
        ({"blockIO": {"speed": 5}}, "blockIO.speed is not supported"),
        ({"blockIO": {"weightDevice": [{"minor": 0, "weight": 10}]}}, "weightDevice[0].major"),
        ({"network": {"priorities": [{"name": "a\nb", "priority": 1}]}}, "no interface's"),
        ({"rdma": {"m l": {"hcaHandles": 3}}}, "must name a device"),
        ({"unified": {"../memory.high": "1"}}, "is not supported"),
        ({"unified": {"cgroup.procs": "1"}}, "'cgroup.procs' is not supported"),
        ({"unified": {"memory.high": 1}}, "memory.high must be a string"),
        ({"cpu": {"idle": 2}}, "cpu.idle must be a number from 0 to 1"),
        ({"memory": {"kernel": 5}}, "memory.kernel is not supported"),
    ],
)
def test_bad_limit_is_refused_with_its_place(fields: dict[str, Any], words: str) -> None:
    """Nothing of it reaches a file."""
    with pytest.raises(LaunchFailed) as caught:
        read_resources(fields)

    assert words in str(caught.value)


def test_limits_are_in_the_files_of_the_host() -> None:
    """Those of block I/O and of huge pages, whichever version serves them here."""
    fields = {
        "hugepageLimits": [{"pageSize": "2MB", "limit": 2 << 20}],
        "cpu": {"idle": 1, "burst": 0},
    }
    resources = read_resources(fields)
    cgroup = place(f"ptyd-test-{os.getpid()}-seldom", resources)
    create(cgroup, resources)
    try:
        folder = Path(cgroup.v1_folder("hugetlb") or cgroup.unified)
        name = "limit_in_bytes" if cgroup.v1_folder("hugetlb") else "max"
        pages = (folder / f"hugetlb.2MB.{name}").read_text()
        idle = Path(cgroup.v1_folder("cpu") or cgroup.unified, "cpu.idle").read_text()
        update(cgroup, read_resources({"cpu": {"idle": 0}}))
        busy = Path(cgroup.v1_folder("cpu") or cgroup.unified, "cpu.idle").read_text()
    finally:
        assert remove(cgroup)

    assert (pages, idle, busy) == (f"{2 << 20}\n", "1\n", "0\n")


def test_controller_that_the_host_lacks_is_named() -> None:
    """A class of packets that nobody sets would be worse than an error."""
    resources = read_resources({"network": {"classID": 1}})

    assert asked(resources) == {"net_cls"}
    with pytest.raises(LaunchFailed, match="no limit by net_cls: not a controller here"):
        create(Cgroup(), resources)


def test_memory_that_is_in_use_is_not_taken_away() -> None:
    """Where checkBeforeUpdate asks to look first; v2 would kill for it."""
    fields = {"memory": {"limit": 4096, "checkBeforeUpdate": True}}
    with made(read_resources({"memory": {"limit": 64 << 20}})) as cgroup:
        folder = cgroup.v1_folder("memory") or cgroup.unified
        name = "memory.limit_in_bytes" if cgroup.v1_folder("memory") else "memory.max"
        update(cgroup, read_resources(fields))  # nothing is in use yet
        low = Path(folder, name).read_text()
        update(cgroup, read_resources({"memory": {"limit": -1}}))
        high = Path(folder, name).read_text()

    assert low == "4096\n"
    assert high != low
