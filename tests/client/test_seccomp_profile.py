"""docker's format of seccomp profiles, and the one that boxes get unless told otherwise."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpf_machine import Call, run_filter
from ptycli.seccomp_profile import DEFAULT, Host, resolve
from ptylaunch import abi, policy
from ptylaunch.bpf import length
from ptylaunch.seccomp import compile_policy

ALLOW, DENY = policy.ALLOW, policy.ERRNO | 1
PROFILE = json.loads(Path(DEFAULT).read_text())
PC = Host("x86_64", "6.1.0-38-amd64", frozenset({"CAP_SYS_CHROOT"}))
NEVER = [
    "acct",
    "add_key",
    "bpf",
    "clone3",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mbind",
    "mount",
    "mount_setattr",
    "move_mount",
    "nfsservctl",
    "open_by_handle_at",
    "open_tree",
    "open_tree_attr",
    "perf_event_open",
    "pidfd_getfd",
    "pivot_root",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "swapoff",
    "swapon",
    "syslog",
    "umount",
    "umount2",
    "unshare",
    "uselib",
    "userfaultfd",
    "ustat",
    "vhangup",
    "vm86",
    "vm86old",
]


def answers(host: Host, way: abi.Abi, name: str, *args: int) -> int:
    """Return what the default says to a call on a host."""
    program = _program(host)
    padded = (*args, *(0,) * (6 - len(args)))
    return run_filter(program, Call(abi.numbers(way)[name], way.audit, padded))


_programs: dict[Host, bytes] = {}


def _program(host: Host) -> bytes:
    if host not in _programs:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(policy, "own_family", lambda: abi.FAMILIES[host.machine])
            read = policy.read_policy({"seccomp": resolve(PROFILE, host)})
        assert read is not None
        _programs[host] = compile_policy(read).program
    return _programs[host]


def everywhere() -> list[Any]:
    return [
        pytest.param(PC._replace(machine=machine), way, id=way.name)
        for machine, family in abi.FAMILIES.items()
        for way in family
    ]


@pytest.mark.parametrize(("host", "way"), everywhere())
def test_dangerous_calls_are_denied_by_every_way(host: Host, way: abi.Abi) -> None:
    """On each machine, by each of its ABIs."""
    table = abi.numbers(way)
    denied = {name: answers(host, way, name) for name in NEVER if name in table}

    assert set(denied.values()) <= {DENY, policy.ERRNO | 38}
    assert denied["clone3"] == policy.ERRNO | 38


@pytest.mark.parametrize(("host", "way"), everywhere())
def test_usual_calls_are_allowed_by_every_way(host: Host, way: abi.Abi) -> None:
    """With conditions as they usually are."""
    usual = "read write openat close mmap munmap brk execve exit_group futex clone ioctl chroot"
    table = abi.numbers(way)

    assert {answers(host, way, name) for name in usual.split() if name in table} == {ALLOW}


def test_names_are_real() -> None:
    """A name that is no call of any machine would be passed over in silence."""
    known = set[str]().union(*(abi.numbers(w) for f in abi.FAMILIES.values() for w in f))
    named = [name for entry in PROFILE["syscalls"] for name in entry["names"]]

    assert set(named) <= known
    assert len({*named}) > 400


def test_every_call_of_the_tables_was_thought_of() -> None:
    """So that what is newer than the profile gets ENOSYS and no sooner call does."""
    newest = max(number for number in abi.numbers(abi.X86_64).values())

    assert run_filter(_program(PC), Call(newest, abi.X86_64.audit)) in (DENY, policy.ERRNO | 38)
    assert run_filter(_program(PC), Call(1000, abi.X86_64.audit)) == policy.ERRNO | 38


def test_program_is_small() -> None:
    """The kernel goes through it at each call that it has not seen to be always allowed."""
    assert length(_program(PC)) < 500


@pytest.mark.parametrize("high", [0, 1, 1 << 31, (1 << 32) - 1])
def test_typing_into_a_terminal_is_denied_whatever_the_high_bits(high: int) -> None:
    """TIOCSTI and TIOCLINUX; the kernel looks at 32 bits (CVE-2023-28100)."""
    for request, expected in ((0x5412, DENY), (0x541C, DENY), (0x5401, ALLOW), (0x5413, ALLOW)):
        assert answers(PC, abi.X86_64, "ioctl", 0, high << 32 | request) == expected


def test_namespaces_are_not_cloned() -> None:
    """Any of the seven, alone or with others; with CAP_SYS_ADMIN they are."""
    admin = PC._replace(capabilities=frozenset({"CAP_SYS_ADMIN"}))
    for bit in (17, 25, 26, 27, 28, 29, 30):
        assert answers(PC, abi.X86_64, "clone", 1 << bit | 17) == DENY
        assert answers(admin, abi.X86_64, "clone", 1 << bit | 17) == ALLOW
    assert answers(PC, abi.X86_64, "clone", 0x3D0F00) == ALLOW  # as pthread_create does
    assert answers(admin, abi.X86_64, "clone3") == ALLOW


def test_families_of_sockets_are_few() -> None:
    """Not AF_ALG, not AF_VSOCK, and no number of 64 bits that the kernel would cut to those."""
    allowed = {n for n in range(64) if answers(PC, abi.X86_64, "socket", n) == ALLOW}

    assert allowed == {1, 2, 10, 16, 17}
    assert answers(PC, abi.X86_64, "socket", 1 << 32 | 40) == DENY
    assert answers(PC, abi.X86, "socketcall", 1) == DENY
    assert answers(PC, abi.X86, "socketcall", 1 << 32 | 1) == DENY
    assert answers(PC, abi.X86, "socketcall", 3) == ALLOW


def test_old_kernel_has_no_ptrace() -> None:
    """A tracer could change a call behind the filter's back before 4.8."""
    old = PC._replace(release="4.7.10")

    assert answers(old, abi.X86_64, "ptrace") == DENY
    assert answers(PC, abi.X86_64, "ptrace") == ALLOW


def entry(**more: Any) -> dict[str, Any]:
    call = {"names": ["read"], "action": "SCMP_ACT_ALLOW", **more}
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [call]}


@pytest.mark.parametrize(
    ("conditions", "there"),
    [
        ({}, True),
        ({"includes": {"arches": ["amd64"]}}, True),
        ({"includes": {"arches": ["arm64"]}}, False),
        ({"includes": {"caps": ["CAP_SYS_CHROOT"]}}, True),
        ({"includes": {"caps": ["CAP_SYS_CHROOT", "CAP_KILL"]}}, False),
        ({"includes": {"minKernel": "6.1"}}, True),
        ({"includes": {"minKernel": "6.2"}}, False),
        ({"excludes": {"caps": ["CAP_SYS_CHROOT", "CAP_KILL"]}}, False),
        ({"excludes": {"arches": ["arm64"]}}, True),
        ({"excludes": {"minKernel": "6.0"}}, False),
        ({"includes": {}, "excludes": None}, True),
    ],
)
def test_entries_depend_on_the_host(conditions: dict[str, Any], *, there: bool) -> None:
    """All that it includes must hold, nothing that it excludes."""
    assert bool(resolve(entry(**conditions), PC)["syscalls"]) is there


def test_older_and_plainer_forms_are_taken() -> None:
    """One name instead of names; architectures, as OCI has it; null arguments."""
    old = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86"],
        "syscalls": [{"name": "read", "action": "SCMP_ACT_ALLOW", "args": None}],
    }

    assert resolve(old, PC) == {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86"],
        "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}],
    }


def test_machine_gets_the_abis_of_its_entry() -> None:
    """And one that has no entry its own."""
    assert resolve(PROFILE, PC)["architectures"] == [
        "SCMP_ARCH_X86_64",
        "SCMP_ARCH_X86",
        "SCMP_ARCH_X32",
    ]
    assert "architectures" not in resolve(PROFILE, PC._replace(machine="m68k"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
KEYS = ["defaultAction", "archMap", "architectures", "syscalls"]
CALL = st.dictionaries(st.sampled_from(["name", "names", "args", "includes", "excludes"]), JSON)


@given(
    JSON
    | st.dictionaries(st.sampled_from(KEYS), JSON)
    | st.builds(lambda calls: {"syscalls": calls}, st.lists(CALL))
    | st.builds(
        lambda key, value: entry(includes={key: value}),
        st.sampled_from(["caps", "arches", "minKernel", "x"]),
        JSON,
    )
)
def test_no_json_makes_it_raise_anything_else(profile: object) -> None:
    """A profile is a stranger's file."""
    with contextlib.suppress(ValueError):
        resolve(profile, PC)
