"""docker's options for limits, and what they become in an OCI spec."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycli.arguments import Failure, size_of
from ptycli.limits import PIDS, quota_of, read_options, with_defaults
from ptycli.main import code_of
from ptycli.request import parse
from ptylaunch.resources import read_resources

G = 1 << 30
M = 1 << 20
PROCESSORS = os.cpu_count() or 1


def resources_of(*words: str) -> dict[str, Any]:
    return read_options(parse([*words, "true"]))


@pytest.mark.parametrize(
    ("words", "resources"),
    [
        ([], {}),
        (["-m", "512m", "--memory-swap", "1g"], {"memory": {"limit": 512 * M, "swap": G}}),
        (["-m", "1.5g", "--memory-swap", "-1"], {"memory": {"limit": 3 * G // 2, "swap": -1}}),
        (["--memory", "0"], {}),
        (["--cpus", "0.5"], {"cpu": {"period": 100_000, "quota": 50_000}}),
        (["--cpuset-cpus", "0"], {"cpu": {"cpus": "0"}}),
        (["--cpus", "1", "--cpuset-cpus", "0"],
         {"cpu": {"period": 100_000, "quota": 100_000, "cpus": "0"}}),
        (["-c", "512"], {"cpu": {"shares": 512}}),
        (["--cpu-shares", "0"], {}),
        (["--cpu-quota", "50000"], {"cpu": {"period": 100_000, "quota": 50_000}}),
        (["--cpu-period", "50000", "--cpu-quota", "25000"],
         {"cpu": {"period": 50_000, "quota": 25_000}}),
        (["--cpuset-mems", "0"], {"cpu": {"mems": "0"}}),
        (["--memory-reservation", "32m"], {"memory": {"reservation": 32 * M}}),
        (["--pids-limit", "100"], {"pids": {"limit": 100}}),
        (["--pids-limit", "-1"], {"pids": {"limit": -1}}),
        (["--pids-limit", "0"], {"pids": {"limit": -1}}),
    ],
)  # fmt: skip
def test_options_are_dockers(words: list[str], resources: dict[str, Any]) -> None:
    """In its syntax and with its meaning; the launcher understands what comes out."""
    assert resources_of(*words) == resources
    read_resources(resources)


def test_swap_is_twice_the_memory_by_default() -> None:
    """That is docker's; where the kernel does not count swap nothing is asked."""
    memory = resources_of("-m", "64m")["memory"]

    assert memory in ({"limit": 64 * M, "swap": 128 * M}, {"limit": 64 * M})


@pytest.mark.parametrize(
    "words",
    [
        ["--memory", "5m"],
        ["--memory", "32m", "--memory-reservation", "64m"],
        ["--cpus", "1", "--cpu-quota", "50000"],
        ["--cpu-period", "10", "--cpu-quota", "50000"],
        ["--cpu-quota", "10"],
        ["--cpu-shares", "-1"],
        ["--cpuset-mems", "99"],
        ["--memory", "many"],
        ["--memory", "-1"],
        ["--memory-swap", "1g"],
        ["--memory", "1g", "--memory-swap", "512m"],
        ["--memory", "1g", "--memory-swap", "x"],
        ["--cpus", "0"],
        ["--cpus", "0.001"],
        ["--cpus", str(PROCESSORS + 1)],
        ["--cpus", "."],
        ["--cpus", "1e0"],
        ["--cpus", "-1"],
        ["--cpuset-cpus", f"0-{PROCESSORS}"],
        ["--cpuset-cpus", "1-0"],
        ["--cpuset-cpus", "all"],
        ["--pids-limit", "-2"],
        ["--pids-limit", "few"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_one_line(words: list[str]) -> None:
    """It names the option, and ptyd exits 125."""
    with pytest.raises(Failure) as caught:
        resources_of(*words)

    assert code_of("run", caught.value) == 125
    assert len(str(caught.value).splitlines()) == 1


def test_a_box_without_wishes_has_a_limit_of_processes() -> None:
    """podman's number; what was asked for stays."""
    default, _ = with_defaults({}, "ptyd-test")
    asked, _ = with_defaults({"pids": {"limit": -1}}, "ptyd-test")

    assert default in ({"pids": {"limit": PIDS}}, {})
    assert asked == {"pids": {"limit": -1}}


@given(st.decimals(Decimal("0.01"), Decimal(PROCESSORS), places=9))
def test_processors_become_a_quota(number: Decimal) -> None:
    """Of each 100 ms, rounded down, for every way to write a number."""
    quota = int(number * 100_000)

    assert quota_of(str(number)) == quota
    assert quota_of(f"{number:f}".rstrip("0")) == quota


@given(st.integers(0, 1 << 40), st.sampled_from(["", "b", "k", "M", "g", "T", "kb", "MiB", " gb"]))
def test_sizes_have_units_of_1024(number: int, unit: str) -> None:
    """In either case, with or without a b."""
    shift = {"k": 10, "m": 20, "g": 30, "t": 40}.get(unit.strip().lower()[:1], 0)

    assert size_of(f"{number}{unit}") == number << shift
    assert size_of(f"{number}.5{unit}") == ((2 * number + 1) << shift) // 2


@given(st.text(alphabet="0123456789.kKmMgGbBiIt -+e²", max_size=8))
def test_no_text_is_read_as_another_size(text: str) -> None:
    """It is a number of bytes or refused."""
    try:
        size = size_of(text)
    except Failure:
        return

    assert size >= 0
    assert text[0].isdigit()
