"""Seccomp filters on real programs in real boxes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from boxes import Caller, Result, callers, run_box
from static_program import static_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

every_caller = pytest.mark.parametrize("caller", callers(), ids=str)
FILTER = ["linux", "seccomp"]
PRIVILEGES = ["process", "noNewPrivileges"]
CAN_DO_ALL = {"defaultAction": "SCMP_ACT_ALLOW"}


@pytest.fixture(scope="module")
def leaver() -> Iterator[Path]:
    """A program that makes one system call, and ends with status 7."""
    with static_program("call(__NR_exit, 7, 0, 0); for (;;) ;") as path:
        yield path


def run(caller: Caller, program: Path, policy: dict[str, Any], **request: Any) -> Result:
    edit = [[FILTER, policy], *request.pop("edit", ())]
    return run_box(
        caller, ["/opt/program"], volumes=[f"{program}:/opt/program:ro"], edit=edit, **request
    )


def only(*names: str, **more: Any) -> dict[str, Any]:
    calls = [{"names": [*names], "action": "SCMP_ACT_ALLOW"}]
    return {"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": calls, **more}


@every_caller
@pytest.mark.parametrize("no_new_privileges", [True, False])
@pytest.mark.parametrize("init", [True, False])
def test_policy_need_not_allow_what_the_launcher_does(
    caller: Caller, leaver: Path, *, no_new_privileges: bool, init: bool
) -> None:
    """Between the filter and the program there is execve and nothing else."""
    edit = [[PRIVILEGES, no_new_privileges]]
    result = run(caller, leaver, only("execve", "exit"), edit=edit, init=init)

    assert (result.status, result.failure, result.left) == (7, None, [])


@every_caller
def test_call_that_is_not_allowed_is_the_end(caller: Caller, leaver: Path) -> None:
    """Of the whole process, by SIGSYS; the policy knows newer ones, or it would be ENOSYS."""
    result = run(caller, leaver, only("execve", "openat2"))

    assert result.status == 128 + signal.SIGSYS


@every_caller
@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_program_is_filtered_and_has_no_capability_for_it(
    caller: Caller, *, no_new_privileges: bool
) -> None:
    """What loading the filter takes without no_new_privs does not outlive execve."""
    script = "grep -E '^(CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status"
    for user in ({"uid": 0, "gid": 0}, {"uid": 1, "gid": 1}):
        if caller.ids == "single" and user["uid"]:
            continue
        edit = [[FILTER, CAN_DO_ALL], [PRIVILEGES, no_new_privileges], [["process", "user"], user]]
        result = run_box(caller, ["sh", "-c", script], edit=[*edit, [["process", "cwd"], "/"]])
        status = dict(line.split(":\t") for line in result.output.splitlines())

        assert status["Seccomp"] == "2"
        assert status["NoNewPrivs"] == str(int(no_new_privileges))
        assert {status["CapPrm"], status["CapEff"]} == {
            "00000000800405fb" if user["uid"] == 0 else "0" * 16
        }
        assert (status["CapBnd"], status["CapAmb"]) == ("00000000800405fb", "0" * 16)


@every_caller
def test_failure_behind_the_filter_is_still_told(caller: Caller) -> None:
    """As far as the policy lets it: write and exit_group."""
    policy = only("execve", "write", "exit_group", defaultAction="SCMP_ACT_ERRNO")
    result = run_box(caller, ["/etc/passwd"], edit=[[FILTER, policy]])

    assert result.failure is not None
    assert (result.failure["stage"], result.failure["exit_code"]) == ("exec", 126)
    assert result.left == []


@every_caller
def test_filter_that_the_kernel_refuses_is_a_failure(caller: Caller) -> None:
    """Not a program without one."""
    long = [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW",
         "args": [{"index": n % 6, "op": "SCMP_CMP_EQ", "value": n} for n in range(3000)]}
    ]  # fmt: skip
    policy = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": long}
    result = run_box(caller, ["true"], edit=[[FILTER, policy]])

    assert result.failure is not None
    assert (result.failure["stage"], result.failure["errno"]) == ("seccomp", "E2BIG")
    assert result.left == []
