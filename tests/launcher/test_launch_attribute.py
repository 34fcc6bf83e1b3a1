"""How the kernel treats a program: scheduler, I/O priority, personality, of a box and in exec."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from oci_user import Runtime, runtime, users
from ptylaunch.attribute import read_attributes
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOW = "chrt -p $$; nice; ionice -p $$; uname -m"
NICE = {"policy": "SCHED_BATCH", "nice": 5}
BEST_EFFORT = {"class": "IOPRIO_CLASS_BE", "priority": 6}


@pytest.fixture(params=users())
def oci(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    with runtime(request.param) as made:
        made.edit("process", "scheduler", to=NICE)
        made.edit("process", "ioPriority", to=BEST_EFFORT)
        made.edit("linux", "personality", to={"domain": "LINUX32"})
        yield made


def test_program_is_treated_as_the_spec_says(oci: Runtime) -> None:
    """By the tools that show it; a 64-bit machine calls itself by its 32-bit name."""
    oci.script(SHOW)

    said = oci.do("run", "c")

    assert "SCHED_BATCH" in said
    assert "\n5\nbest-effort: prio 6\n" in said
    assert said.splitlines()[-1] != os.uname().machine


def test_exec_has_the_personality_and_what_it_names(oci: Runtime) -> None:
    """Every program of the box is of one kind; the rest is the process's own."""
    oci.script("exec sleep 1000")
    oci.do("run", "--detach", "c")
    process = {"args": ["sh", "-c", SHOW], "cwd": "/", "ioPriority": {"class": "IOPRIO_CLASS_IDLE"}}
    (oci.bundle / "p.json").write_text(json.dumps({**process, "env": ["PATH=/usr/bin"]}))
    said = oci.do("exec", "--process", "p.json", "c")
    oci.do("delete", "--force", "c")

    assert "SCHED_OTHER" in said
    assert "\n0\nidle\n" in said
    assert said.splitlines()[-1] != os.uname().machine


@pytest.mark.parametrize(
    ("process", "linux", "words"),
    [
        ({"scheduler": {"policy": "SCHED_BEST"}}, {}, "process.scheduler.policy 'SCHED_BEST'"),
        ({"scheduler": {"policy": "SCHED_OTHER", "nice": 20}}, {}, "process.scheduler.nice"),
        ({"scheduler": {"policy": "SCHED_OTHER", "flags": ["X"]}}, {}, "process.scheduler.flags"),
        ({"scheduler": {"policy": "SCHED_FIFO", "priority": 1 << 40}}, {}, "process.scheduler"),
        ({"scheduler": {"nice": 1}}, {}, "process.scheduler.policy"),
        ({"ioPriority": {"class": "FAST"}}, {}, "process.ioPriority.class 'FAST'"),
        ({"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}}, {}, "process.ioPriority.p"),
        ({}, {"personality": {"domain": "BSD"}}, "linux.personality.domain 'BSD'"),
        ({}, {"personality": {"domain": "LINUX", "flags": ["X"]}}, "linux.personality.flags"),
    ],
)
def test_what_means_nothing_is_refused(
    process: dict[str, Any], linux: dict[str, Any], words: str
) -> None:
    """With its place."""
    with pytest.raises(LaunchFailed) as caught:
        read_attributes(process, linux)

    assert str(caught.value).startswith(f"spec: {words}")


def test_privilege_that_is_missing_is_told() -> None:
    """A real-time scheduler wants CAP_SYS_NICE out here, which an ordinary user has not."""
    with runtime(users()[-1]) as oci:
        oci.edit("process", "scheduler", to={"policy": "SCHED_FIFO", "priority": 1})
        done = oci.run("run", "c")

    assert done.returncode == 125
    assert done.stderr == "ptylaunch: scheduler: Operation not permitted\n"
