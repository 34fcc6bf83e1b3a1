"""Every system call of a build made to fail, one after the other: see ``fault_driver.py``."""

from __future__ import annotations

import errno
import os
from collections import Counter
from typing import Any

import pytest

from boxes import Caller, callers, run_box

CALLERS = [caller for caller in callers() if caller.ids == "range"]
FORGIVEN = {
    "os.stat": 30,  # is it there? what cannot be looked at is looked for elsewhere, or made
    "os.mkdir": 10,  # makedirs() makes folders that are there already
    "sc.fork_into": 1,  # an older kernel cannot: then a move does it
    "sc.openat2": 2,  # the working directory is made if that can be: its chdir tells
}
"""Calls that a build does without, or tries in another way, and how many of each at the most: its
program runs all the same."""

BUILDS: list[dict[str, Any]] = [{"tty": True}, {"init": False, "stdin": "", "network": "host"}]
FEWEST = 200
"""Calls of a build: if fewer are counted, then not all are."""


@pytest.mark.parametrize("build", BUILDS, ids=["terminal", "pipes"])
@pytest.mark.parametrize("caller", CALLERS, ids=str)
def test_a_call_that_fails_ends_the_build(caller: Caller, build: dict[str, Any]) -> None:
    """With its stage and its errno in one line, and nothing stays: no process, fd, mount, file."""
    edit = [[["linux", "cgroupsPath"], "MINE"]]
    result = run_box(caller, ["/usr/bin/true"], driver="fault_driver", edit=edit, **build)
    # A build may make a call less than another: then nothing failed.
    outcomes = [each for each in result.info["outcomes"] if each["call"]]
    survived = [each for each in outcomes if not each["stage"]]
    failed = [each for each in outcomes if each["stage"]]
    wrong = [each for each in failed if not says(each, result.info["fault"])]

    assert len(outcomes) > FEWEST
    assert [each for each in outcomes if each["left"]] == []
    assert wrong == []
    assert Counter(each["call"] for each in survived) <= Counter(FORGIVEN)
    assert {each["status"] for each in survived} <= {0}


def says(outcome: dict[str, Any], fault: int) -> bool:
    """Tell whether a failure is what it should be: a line with stage and reason, exit code 125."""
    faults = {fault}
    if outcome["call"] == "os.stat":
        faults.add(errno.EEXIST)  # makedirs() finds out only so
    return (
        outcome["errno"] in faults
        and outcome["exit_code"] == 125
        and "\n" not in outcome["text"]
        and outcome["text"].startswith(outcome["stage"] + ": ")
        and os.strerror(outcome["errno"]) in outcome["text"]
    )
