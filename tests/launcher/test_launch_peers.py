"""What the test suites of runc and crun ask of any runtime, and its own tests did not."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from oci_user import Runtime, runtime, users
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=users())
def oci(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    with runtime(request.param) as made:
        yield made


def set_capabilities(oci: Runtime, **sets: list[str]) -> None:
    oci.edit("process", "capabilities", to=sets)
    oci.edit("process", "args", to=["grep", "^Cap", "/proc/self/status"])


def masks(text: str) -> dict[str, int]:
    return {line.split()[0]: int(line.split()[1], 16) for line in text.splitlines()}


def test_capability_that_cannot_be_is_a_warning(oci: Runtime) -> None:
    """config.md, "capabilities": one that is unknown, and an ambient one that is not inherited."""
    both = ["CAP_KILL", "CAP_FLY"]
    set_capabilities(oci, bounding=both, permitted=both, ambient=["CAP_CHOWN"])
    done = oci.run("run", "c")

    assert done.returncode == 0
    assert masks(done.stdout)["CapPrm:"] == 1 << 5  # CAP_KILL, capabilities.h
    assert done.stderr.splitlines() == [
        "ptylaunch: warning: process.capabilities: there is no CAP_FLY",
        "ptylaunch: warning: can't raise ambient capability CAP_CHOWN: it is not inheritable",
    ]


def test_capability_makes_a_file_executable(oci: Runtime) -> None:
    """The look at the program before the start is made with the program's own privileges."""
    tool = oci.bundle / "rootfs/tool"
    tool.write_text("#!/bin/sh\necho done\n")
    os.chown(tool, oci.uid, -1)
    tool.chmod(0o700)
    every = ["CAP_DAC_OVERRIDE"]
    set_capabilities(
        oci,
        **dict.fromkeys(("bounding", "permitted", "effective", "inheritable", "ambient"), every),
    )
    oci.edit("process", "args", to=["/tool"])
    if oci.uid == 0:
        oci.edit("process", "user", to={"uid": 4242, "gid": 4242})

    assert oci.do("run", "c") == "done\n"


def test_folder_is_entered_as_the_boxs_root(oci: Runtime) -> None:
    """A working directory may be closed to the program's user, as with runc."""
    closed = oci.bundle / "rootfs/closed"
    closed.mkdir(0o700)
    os.chown(closed, oci.uid, -1)
    oci.edit("process", "cwd", to="/closed")
    oci.edit("process", "args", to=["readlink", "/proc/self/cwd"])
    if oci.uid == 0:
        oci.edit("process", "user", to={"uid": 4242, "gid": 4242})

    assert oci.do("run", "c") == "/closed\n"


def test_few_descriptors_are_enough(oci: Runtime) -> None:
    """The limit is the program's: what prepares it opens nothing after it."""
    oci.edit("process", "rlimits", to=[{"type": "RLIMIT_NOFILE", "soft": 5, "hard": 5}])
    oci.script("ulimit -n")

    assert oci.do("run", "c") == "5\n"


def test_mount_at_a_relative_place_is_below_the_root(oci: Runtime) -> None:
    """config.md, "Mounts": "it MUST be interpreted as relative to /"."""
    spec = json.loads((oci.bundle / "config.json").read_text())
    oci.edit("mounts", to=[*spec["mounts"], {"destination": "tmp", "type": "tmpfs"}])
    oci.script("grep -c ' /tmp ' /proc/self/mountinfo")

    assert oci.do("run", "c") == "1\n"


def test_empty_home_is_looked_up(oci: Runtime) -> None:
    """As none at all."""
    oci.edit("process", "env", to=["PATH=/usr/bin:/bin", "HOME="])
    oci.script("echo $HOME")

    assert oci.do("run", "c") == "/root\n"


def test_terminal_shown_in_a_file_has_plain_lines(oci: Runtime) -> None:
    """Their end is what the program wrote: nobody would take the carriage return away."""
    oci.edit("process", "terminal", to=True)
    oci.script("echo one; echo two")

    assert oci.do("run", "c") == "one\ntwo\n"


def test_debug_is_told_where_there_is_no_log(oci: Runtime) -> None:
    """On standard error, in the form of the log."""
    done = oci.run("--debug", "list")

    assert done.returncode == 1
    assert "level=debug" in done.stderr.splitlines()[0]


def test_list_of_no_root_is_an_error(oci: Runtime) -> None:
    """Where somebody said which: it is not there."""
    done = oci.run("list", "-q")

    assert (done.returncode, done.stderr) == (1, f"ptylaunch: {oci.root}: no such folder\n")


def test_lists_and_events_have_no_spaces(oci: Runtime) -> None:
    """Fields stand in runc's order: there are those who look for them with grep."""
    oci.script("exec sleep 1000")
    oci.do("run", "--detach", "c")
    text = oci.do("list", "--format", "json")
    oci.do("delete", "--force", "c")

    assert text.startswith('[{"ociVersion":"1.3.0","id":"c","pid":')
    assert '"status":"running","bundle":"' in text


def test_ps_of_a_created_container_takes_options_of_ps(oci: Runtime) -> None:
    """Behind its name, without ``--``."""
    oci.script("exec sleep 1000")
    oci.do("run", "--detach", "c")
    lines = oci.do("ps", "c", "-e", "-o", "pid,comm").splitlines()
    oci.do("delete", "--force", "c")

    assert [line.split()[1:] for line in lines] == [["COMMAND"], ["sleep"]]


def test_exec_waits_for_a_paused_container_if_it_is_asked_to() -> None:
    """Else it says why it does not."""
    with runtime(users()[0]) as oci:
        oci.script("exec sleep 1000")
        oci.do("run", "--detach", "c")
        oci.do("pause", "c")
        alone = len(json.loads(oci.do("ps", "--format", "json", "c")))
        refused = oci.run("exec", "c", "true")
        waiting = oci.popen("exec", "--ignore-paused", "c", "sh", "-c", "exit 7")
        # It is in the container, where nobody moves.
        wait_until(lambda: len(json.loads(oci.do("ps", "--format", "json", "c"))) > alone)
        held = waiting.poll() is None
        oci.do("resume", "c")
        status = waiting.wait(30)
        oci.do("delete", "--force", "c")

    assert (held, status) == (True, 7)
    assert refused.stderr == "ptylaunch: cannot exec in a paused container: c\n"
