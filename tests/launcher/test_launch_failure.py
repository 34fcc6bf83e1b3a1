"""Boxes that cannot be: each failure names its stage, has docker's exit code and leaves nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxes import Caller, callers, run_box
from ptylaunch.errors import LaunchFailed, pack_failure, unpack_failure

CALLERS = callers()
every_caller = pytest.mark.parametrize("caller", CALLERS, ids=str)

NO_SUCH_SOURCE = {
    "destination": "/mnt", "type": "bind", "source": "/no/such", "options": ["rbind"]
}  # fmt: skip
NO_SUCH_TYPE = {"destination": "/mnt", "type": "nosuchfs", "source": "x"}

CASES: dict[str, tuple[list[Any], str, str, int]] = {
    "not found": ([["process", "args"], ["nosuchprogram"]], "exec", "ENOENT", 127),
    "no such path": ([["process", "args"], ["/no/such"]], "exec", "ENOENT", 127),
    "a file": ([["process", "args"], ["/etc/passwd"]], "exec", "EACCES", 126),
    "a folder": ([["process", "args"], ["/usr"]], "exec", "EACCES", 126),
    "no directory": ([["process", "cwd"], "/proc/no/such"], "cwd", "ENOENT", 125),
    "closed directory": ([["process", "cwd"], "/etc/passwd"], "cwd", "ENOTDIR", 125),
    "no root": ([["root", "path"], "nowhere"], "root", "ENOENT", 125),
    "no source": ([["mounts", 0], NO_SUCH_SOURCE], "mount /mnt", "ENOENT", 125),
    "no type": ([["mounts", 0], NO_SUCH_TYPE], "mount /mnt", "ENODEV", 125),
    "bad data": (
        [["mounts", -1], {"destination": "/tmp", "type": "tmpfs", "options": ["size=x"]}],
        "mount /tmp", "EINVAL", 125,
    ),
    "long name": ([["hostname"], "x" * 65], "hostname", "EINVAL", 125),
    "ids": (
        [["linux", "uidMappings"], [{"containerID": 0, "hostID": 0, "size": 4294967295}]],
        "user namespace", "EPERM", 125,
    ),
    "limit": (
        [["process", "rlimits"], [{"type": "RLIMIT_NOFILE", "soft": 9, "hard": 8}]],
        "rlimits", "EINVAL", 125,
    ),
    "spec": ([["process", "cwd"], "relative"], "spec", "EINVAL", 125),
}  # fmt: skip


@every_caller
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("init", [True, False])
def test_failure_names_its_stage_and_leaves_nothing(
    caller: Caller, case: str, *, init: bool
) -> None:
    """Processes, fds and mounts are as before, wherever it fails."""
    edit, stage, code, exit_code = CASES[case]
    if case == "ids" and caller.user == "root":
        edit = [["linux", "uidMappings"], [{"containerID": 0, "hostID": 5, "size": 0}]]
        stage, code = "spec", "EINVAL"

    result = run_box(caller, ["true"], init=init, edit=[edit])

    assert result.failure is not None
    assert (result.failure["stage"], result.failure["errno"]) == (stage, code), result.failure
    assert result.failure["exit_code"] == exit_code
    assert result.left == []


@every_caller
@pytest.mark.parametrize("args", [["nosuchprogram"], ["true"]])
def test_failure_with_a_terminal_leaves_nothing(caller: Caller, args: list[str]) -> None:
    """The fds of the terminal have crossed already when it fails."""
    edit = [[["process", "cwd"], "/proc/no/such"]] if args == ["true"] else []

    result = run_box(caller, args, tty=True, edit=edit)

    assert result.failure is not None
    assert result.left == []


@pytest.mark.parametrize("caller", [each for each in CALLERS if each.user != "root"], ids=str)
def test_an_idmapped_mount_is_roots(caller: Caller) -> None:
    """Without the privilege it is refused, not left out."""
    bind = {"destination": "/mnt", "type": "bind", "source": "/usr", "options": ["bind", "idmap"]}

    result = run_box(caller, ["true"], edit=[[["mounts", 0], bind]])

    assert result.failure is not None
    assert (result.failure["stage"], result.failure["errno"]) == ("mount /mnt", "EPERM")
    assert result.left == []


def test_message_is_one_line_for_a_user() -> None:
    """Stage, what it was about, and the system's reason."""
    assert str(LaunchFailed("mount /data", 13, "/x")) == "mount /data: /x: Permission denied"
    assert str(LaunchFailed("spec", 22, "root.path must be a string")).endswith("be a string")


@given(st.text(), st.integers(0, 4095), st.text(max_size=4000))
def test_failures_survive_the_channel(stage: str, number: int, detail: str) -> None:
    """Whatever the text is, it can be sent and read."""
    packed = pack_failure(stage[:50], number, detail)
    failure = unpack_failure(packed)

    assert failure.errno == number
    assert len(packed) <= 1024


@given(st.binary(max_size=64))
def test_no_bytes_make_unpacking_raise(data: bytes) -> None:
    """A child that was overwritten cannot break its caller."""
    assert unpack_failure(data).exit_code in (125, 126, 127)
