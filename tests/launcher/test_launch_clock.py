"""Boxes with a time namespace: their clocks are shifted, and so are those of what joins them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oci_user import Runtime, runtime, users
from ptylaunch.clock import read_offsets
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOW = "cat /proc/self/timens_offsets"


@pytest.fixture(params=users())
def oci(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    with runtime(request.param) as made:
        yield made


def add_clocks(oci: Runtime, **offsets: dict[str, int]) -> None:
    namespaces = json.loads((oci.bundle / "config.json").read_text())["linux"]["namespaces"]
    oci.edit("linux", "namespaces", to=[*namespaces, {"type": "time"}])
    oci.edit("linux", "timeOffsets", to=offsets)


def test_clocks_are_shifted_for_all_programs(oci: Runtime) -> None:
    """Those of the container and those that join it."""
    add_clocks(oci, monotonic={"secs": 7881, "nanosecs": 2718281}, boottime={"secs": 86400})
    oci.script(f"{SHOW}; exec sleep 1000")
    oci.do("run", "--detach", "c")
    joined = oci.do("exec", "c", "sh", "-c", SHOW)
    oci.do("delete", "--force", "c")

    shown = [line.split() for line in joined.splitlines()]
    assert shown == [["monotonic", "7881", "2718281"], ["boottime", "86400", "0"]]


def test_namespace_without_offsets_is_the_hosts_time(oci: Runtime) -> None:
    """As no namespace."""
    add_clocks(oci)
    oci.script(SHOW)

    assert [line.split()[1:] for line in oci.do("run", "c").splitlines()] == [["0", "0"]] * 2


def test_time_before_the_start_of_the_machine_is_refused(oci: Runtime) -> None:
    """By the kernel, and said so."""
    add_clocks(oci, monotonic={"secs": -(10**12)})
    done = oci.run("run", "c")

    assert done.returncode == 125
    assert done.stderr.startswith("ptylaunch: time namespace: ")


@pytest.mark.parametrize(
    ("offsets", "words"),
    [
        ({"realtime": {"secs": 1}}, "linux.timeOffsets.realtime is not supported"),
        ({"monotonic": {"secs": 1 << 63}}, "monotonic.secs must be a number"),
        ({"monotonic": {"secs": True}}, "monotonic.secs must be a number"),
        ({"boottime": {"nanosecs": 10**9}}, "nanosecs must be less than 1000000000"),
        ({"boottime": {"nanosecs": -1}}, "boottime.nanosecs"),
        ({"boottime": 5}, "must be an object"),
    ],
)
def test_bad_offset_is_refused_with_its_place(offsets: dict[str, Any], words: str) -> None:
    """Before anything is built."""
    with pytest.raises(LaunchFailed, match=words):
        read_offsets({"timeOffsets": offsets}, own=True)


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, 10**9 - 1))
def test_every_offset_is_read_as_it_is(seconds: int, nanos: int) -> None:
    """Both fields are optional; a namespace that is joined has its offsets already."""
    fields = {"monotonic": {"secs": seconds, "nanosecs": nanos}}

    assert read_offsets({"timeOffsets": fields}, own=True) == (("monotonic", seconds, nanos),)
    with pytest.raises(LaunchFailed, match="wants a time namespace"):
        read_offsets({"timeOffsets": fields}, own=False)
