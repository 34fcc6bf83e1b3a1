"""Reading config.json: everything is checked, and what is not done yet is refused by name."""

from __future__ import annotations

import contextlib
import copy
import errno
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptylaunch import syscall as sc
from ptylaunch.errors import LaunchFailed
from ptylaunch.plan import IdRange, host_id
from ptylaunch.spec import read_plan

SPEC: dict[str, Any] = {
    "ociVersion": "1.2.0",
    "root": {"path": "rootfs"},
    "domainname": "here",
    "process": {"args": ["sh"], "cwd": "/", "env": ["A=b"]},
    "mounts": [
        {"destination": "/proc", "type": "proc"},
        {"destination": "/mnt", "source": "data", "options": ["bind", "ro"]},
    ],
    "linux": {
        "namespaces": [{"type": "mount"}, {"type": "user"}, {"type": "uts"}, {"type": "ipc"}],
        "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
        "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
    },
}


def edited(path: list[Any], value: object) -> dict[str, Any]:
    spec = copy.deepcopy(SPEC)
    place: Any = spec
    for key in path[:-1]:
        place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
    place[path[-1]] = value
    return spec


def test_paths_are_relative_to_the_bundle() -> None:
    """root.path and the sources of binds, as OCI has it; other sources are only names."""
    plan = read_plan(SPEC, "/bundle")

    assert plan.root == "/bundle/rootfs"
    assert [mount.source for mount in plan.mounts] == ["proc", "/bundle/data"]
    assert plan.mounts[1].attrs == sc.MOUNT_ATTR_RDONLY


def test_defaults_are_ocis() -> None:
    """Root, no capability, no terminal, no init, umask 022."""
    plan = read_plan(SPEC, "/bundle")

    assert (plan.program.uid, plan.program.gid, plan.program.umask) == (0, 0, 0o022)
    assert plan.program.capabilities == (0, 0, 0, 0, 0)
    assert [plan.init, plan.program.terminal, plan.root_readonly] == [False] * 3


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["linux", "seccomp"], {"defaultAction": "SCMP_ACT_NOTIFY"}, "linux.seccomp"),
        (["hooks"], {"prestart": []} | {"poststop": [1]}, "hooks.poststop[0] must be an object"),
        (["linux", "resources"], {"blockIO": {"weight": 9}}, "linux.resources.blockIO"),
        (["linux", "resources"], {"cpu": {"idle": 2}}, "linux.resources.cpu.idle"),
        (["linux", "resources"], {"memory": {"swappiness": 101}}, "memory.swappiness"),
        (["linux", "resources"], {"memory": {"swap": 9}}, "memory.swap"),
        (["linux", "resources"], {"memory": {"limit": "1m"}}, "memory.limit"),
        (["linux", "resources"], {"memory": {"limit": True}}, "memory.limit"),
        (["linux", "resources"], {"memory": {"limit": -2}}, "memory.limit"),
        (["linux", "resources"], {"cpu": {"cpus": "3-1"}}, "'3-1' is no list"),
        (["linux", "resources"], {"pids": 7}, "linux.resources.pids"),
        (["linux", "cgroupsPath"], "system.slice:ptyd:x", "systemd"),
        (["linux", "cgroupsPath"], "/a/..", "cgroupsPath"),
        (["process", "apparmorProfile"], "x", "process.apparmorProfile"),
        (
            ["linux", "namespaces", 0],
            {"type": "mount", "path": "/x"},
            "path is not supported for mount",
        ),
        (["linux", "namespaces", 1], {"type": "tide"}, "'tide' is not supported"),
        (["linux", "timeOffsets"], {"monotonic": {"secs": 1}}, "wants a time namespace"),
        (["linux", "namespaces", 2], {"type": "user"}, "a second user namespace"),
        (["linux", "uidMappings"], [], "must map id 0"),
        (["linux", "sysctl"], {"kernel.core_pattern": "|/x"}, "kernel.core_pattern"),
        (["linux", "sysctl"], {"kernel.domainname": "other"}, "is not domainname"),
        (["ociVersion"], None, "ociVersion"),
        (["ociVersion"], "2.0.0", "ociVersion 2.0.0 is not supported"),
        (["annotations"], {"a": 1}, "annotations must be strings"),
        (["linux", "sysctl"], {"net.ipv4.ip_forward": "1"}, "net.ipv4.ip_forward"),
        (["process", "args"], [], "process.args"),
        (["process", "args"], ["a\0b"], "NUL"),
        (["process", "cwd"], "x", "process.cwd"),
        (["process", "user"], {"uid": -1}, "process.user.uid"),
        (["process", "user"], {"uid": True}, "process.user.uid"),
        (["process", "rlimits"], [{"type": "RLIMIT_X", "soft": 1, "hard": 1}], "RLIMIT_X"),
        (["mounts", 0], {"destination": "", "type": "proc"}, "mounts[0].destination"),
        (["mounts", 0], {"destination": "/c", "type": "cgroup", "options": ["x"]}, "x"),
        (["mounts", 0], {"destination": "/c", "type": "proc", "options": ["tmpcopyup"]}, "tmpfs"),
        (["linux", "rootfsPropagation"], "loud", "linux.rootfsPropagation"),
        (["linux", "memoryPolicy"], {"mode": "MPOL_BIND"}, "linux.memoryPolicy"),
        (["linux", "netDevices"], {"eth0": {}}, "linux.netDevices"),
        (["process", "execCPUAffinity"], {"initial": "0"}, "process.execCPUAffinity"),
        (["vm"], {"kernel": {"path": "/k"}}, "vm"),
        (["mounts", 0], "x", "mounts[0]"),
        (["root"], {}, "root.path"),
        (["annotations"], {"org.ptyd.init": "true"}, "pid namespace"),
        (["linux", "namespaces"], [{"type": "mount"}], "wants a user namespace"),
    ],
)
def test_bad_spec_is_refused_with_its_place(path: list[Any], value: object, words: str) -> None:
    """The line says where and what."""
    with pytest.raises(LaunchFailed) as caught:
        read_plan(edited(path, value), "/bundle")

    assert (caught.value.stage, caught.value.errno) == ("spec", errno.EINVAL)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["kernel.shmmax", "kernel/msgmax", "fs.mqueue.msg_max"])
def test_sysctl_of_an_own_namespace_is_taken(name: str) -> None:
    """Both spellings of a name are one file."""
    plan = read_plan(edited(["linux", "sysctl"], {name: "1"}), "/bundle")

    assert plan.sysctl == ((name.replace(".", "/"), "1"),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
PLACES = [
    ["root"], ["root", "path"], ["process"], ["process", "args"], ["process", "env"],
    ["process", "user"], ["process", "capabilities"], ["process", "rlimits"], ["mounts"],
    ["mounts", 0], ["mounts", 0, "options"], ["linux"], ["linux", "namespaces"],
    ["linux", "sysctl"], ["linux", "uidMappings"], ["linux", "resources"], ["annotations"],
    ["hooks"], ["hooks", "prestart"], ["hooks", "poststop"],
    ["linux", "cgroupsPath"], ["linux", "resources", "memory"], ["linux", "resources", "cpu"],
    ["linux", "resources", "pids"],
    ["hostname"], ["process", "consoleSize"], ["linux", "seccomp"], ["linux", "seccomp", "flags"],
    ["linux", "devices"], ["linux", "maskedPaths"],
]  # fmt: skip


@given(st.sampled_from(PLACES), JSON)
def test_no_json_makes_it_raise_anything_else(path: list[Any], value: object) -> None:
    """A spec is a stranger's file: it is read or refused."""
    with contextlib.suppress(LaunchFailed):
        read_plan(edited(path, value), "/bundle")


@given(st.integers(0, 1 << 17))
def test_ids_are_mapped_as_the_kernel_does(inside: int) -> None:
    """Range after range; what is in none has no id on the host."""
    ranges = (IdRange(0, 1000, 1), IdRange(1, 100000, 65535))
    expected = 1000 if inside == 0 else 99999 + inside if inside < 65536 else None

    assert host_id(inside, ranges) == expected


@pytest.mark.parametrize(
    ("kinds", "more", "early"),
    [
        ("pid mount user network", {}, sc.CLONE_NEWUSER | sc.CLONE_NEWPID),
        ("pid mount", {}, sc.CLONE_NEWPID),
        ("pid mount", {"oomScoreAdj": 3}, sc.CLONE_NEWPID),
        ("pid mount user", {"oomScoreAdj": 3}, 0),
        ("mount user", {}, 0),
        ("pid mount user network=/run/netns/x", {}, 0),
        ("pid mount user time", {}, 0),
    ],
)
def test_pid_1_is_born_where_nothing_is_to_be_done_before(
    kinds: str, more: dict[str, int], early: int
) -> None:
    """In its user and pid namespaces, unless one is joined or a right of the host is needed."""
    pairs = [kind.partition("=") for kind in kinds.split()]
    spec = edited(
        ["linux", "namespaces"],
        [{"type": kind, **({"path": path} if path else {})} for kind, _, path in pairs],
    )
    spec["process"] |= more
    if "user" not in kinds:
        del spec["linux"]["uidMappings"], spec["linux"]["gidMappings"]
    del spec["domainname"]

    assert read_plan(spec, "/bundle").birthright == early
