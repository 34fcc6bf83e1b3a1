"""Limits and cgroup paths as an OCI spec writes them."""

from __future__ import annotations

import contextlib
import os.path
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptylaunch.errors import LaunchFailed
from ptylaunch.plan import DeviceRule, Resources
from ptylaunch.resources import parse_list, read_cgroups_path, read_resources


def test_everything_we_know_is_read() -> None:
    """Each field has its place."""
    resources = read_resources(
        {
            "devices": [{"allow": False, "access": "rwm"}],
            "memory": {"limit": 100, "swap": 200, "reservation": 50},
            "cpu": {"shares": 512, "quota": 1000, "period": 2000, "cpus": "0-1", "mems": "0"},
            "pids": {"limit": 7},
        }
    )

    rule = DeviceRule(allow=False, kind="a", major=None, minor=None, access="rwm")
    assert resources == Resources(100, 200, 50, 512, 1000, 2000, "0-1", "0", 7, devices=(rule,))


def test_what_engines_spell_out_by_default_asks_for_nothing() -> None:
    """Structs marshalled with their zeros, as containerd's are."""
    resources = read_resources(
        {
            "memory": {"limit": 0, "disableOOMKiller": False, "swappiness": None},
            "cpu": {"shares": 0, "realtimeRuntime": 0, "cpus": ""},
            "blockIO": {"weight": 0},
            "hugepageLimits": [],
            "unified": {},
        }
    )

    assert resources == Resources()


@pytest.mark.parametrize(("limit", "means"), [(0, -1), (-1, -1), (5, 5)])
def test_no_processes_means_any_number(limit: int, means: int) -> None:
    """docker's 0 and OCI's -1 are the same wish."""
    assert read_resources({"pids": {"limit": limit}}).pids == means


@given(st.frozensets(st.integers(0, 9999), min_size=1, max_size=20))
def test_lists_of_processors_are_read_as_the_kernel_writes_them(numbers: frozenset[int]) -> None:
    """Runs as ranges, the others alone."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    text = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)

    assert parse_list(text) == numbers
    assert parse_list(text + "\n") == numbers


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "3-1", "1,,2", "0-99999", "1 2", "²", "0x1"])
def test_other_lists_are_refused(text: str) -> None:
    """So that the kernel is never asked."""
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        parse_list(text)


@given(st.text(alphabet="./ab:\n\0", max_size=12))
def test_no_cgroup_path_leads_out(path: str) -> None:
    """Dots are resolved at the top, where they end (crun 1.29)."""
    with contextlib.suppress(LaunchFailed):
        read = read_cgroups_path({"linux": {"cgroupsPath": path}})
        joined = os.path.join("/sys/fs/cgroup", read.lstrip("/"))

        assert ".." not in joined.split("/")
        assert (read == "") == (path == "")
        assert read.startswith("/") == path.startswith("/")
