"""What other engines put into a config.json: cgroup mounts, devices, copies, joined namespaces."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from oci_user import Runtime, runtime, users

if TYPE_CHECKING:
    from collections.abc import Iterator

CGROUP = {
    "destination": "/sys/fs/cgroup",
    "type": "cgroup",
    "source": "cgroup",
    "options": ["nosuid", "noexec", "nodev", "relatime", "ro"],
}


@pytest.fixture(params=users())
def oci(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    with runtime(request.param) as made:
        yield made


@pytest.fixture
def root() -> Iterator[Runtime]:
    with runtime("root") as made:
        yield made


def add_mount(oci: Runtime, mount: dict[str, Any]) -> None:
    spec = json.loads((oci.bundle / "config.json").read_text())
    oci.edit("mounts", to=[*spec["mounts"], mount])


@pytest.mark.parametrize("namespaced", [True, False])
def test_cgroup_mount_shows_the_boxs_own(root: Runtime, *, namespaced: bool) -> None:
    """The shell is all that is in it, and nothing of the host's root: no release_agent."""
    add_mount(root, CGROUP)
    if not namespaced:
        kinds = [{"type": kind} for kind in ("pid", "mount", "uts", "ipc", "network")]
        root.edit("linux", "namespaces", to=kinds)
    root.script("cat $(find /sys/fs/cgroup -name cgroup.procs); find / -xdev -name release_agent;"
                "find /sys/fs/cgroup -name release_agent; : >/sys/fs/cgroup/x")  # fmt: skip

    done = root.run("run", "c")

    assert set(done.stdout.split()) <= {"1", "2", "3"}
    assert "1" in done.stdout.split()
    assert "Read-only file system" in done.stderr


def test_cgroup_mount_is_writable_only_if_it_says_so(root: Runtime) -> None:
    """``ro`` holds for each hierarchy in it."""
    script = "for f in $(find /sys/fs/cgroup -name cgroup.procs); do echo 0 >$f || exit 3; done"
    root.script(f"({script}) 2>/dev/null; echo $?")
    add_mount(root, CGROUP)
    read_only = root.do("run", "c")
    spec = json.loads((root.bundle / "config.json").read_text())
    root.edit("mounts", len(spec["mounts"]) - 1, "options", to=["nosuid", "rw"])
    writable = root.do("run", "c")

    assert read_only != "0\n"
    assert writable == "0\n"


def test_box_without_a_cgroup_sees_none(oci: Runtime) -> None:
    """An empty folder, not its caller's."""
    add_mount(oci, CGROUP)
    oci.script("ls -A /sys/fs/cgroup | wc -l")

    assert oci.do("--cgroup-manager", "disabled", "run", "c") == "0\n"


def device(kind: str, **more: object) -> dict[str, object]:
    numbers = {} if kind == "p" else {"major": 1, "minor": 5}
    return {"path": "/dev/own", "type": kind, **numbers, **more}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (device("c", fileMode=0o640, uid=7, gid=8), "crw-r----- 7 8 1:5"),
        (device("b"), "brw-rw-rw- 0 0 1:5"),
        (device("p", fileMode=0o600), "prw------- 0 0 0:0"),
        (device("u", path="/dev/own/"), "crw-rw-rw- 0 0 1:5"),
    ],
)
def test_device_is_made_as_it_is_described(
    root: Runtime, made: dict[str, object], said: str
) -> None:
    """Whatever the umask."""
    root.edit("linux", "devices", to=[made])
    root.script("stat -c '%A %u %g %t:%T' /dev/own")

    assert root.do("run", "c") == said + "\n"


def test_device_in_a_user_namespace_is_the_hosts(root: Runtime) -> None:
    """Nobody can make one there: one that the host does not have is refused."""
    kinds = [{"type": kind} for kind in ("pid", "mount", "uts", "user")]
    root.edit("linux", "namespaces", to=kinds)
    for key in ("uidMappings", "gidMappings"):
        root.edit("linux", key, to=[{"containerID": 0, "hostID": 0, "size": 10}])
    spec = json.loads((root.bundle / "config.json").read_text())
    spec["mounts"] = [m for m in spec["mounts"] if m["destination"] not in ("/sys", "/dev/mqueue")]
    root.edit("mounts", to=spec["mounts"])
    root.edit("linux", "devices", to=[{"path": "/dev/zero", "type": "c", "major": 1, "minor": 5}])
    root.script("stat -c %t:%T /dev/zero")
    there = root.do("run", "c")
    root.edit("linux", "devices", to=[device("c")])
    missing = root.run("run", "c")

    assert there == "1:5\n"
    assert missing.stderr == "ptylaunch: device: /dev/own: No such file or directory\n"


def test_device_node_in_the_root_must_be_the_one(root: Runtime) -> None:
    """A file of the image in its place is not given the device's owner, and not taken for it."""
    (root.bundle / "rootfs/nodes").mkdir()
    (root.bundle / "rootfs/nodes/own").write_text("no device")
    root.edit("linux", "devices", to=[device("c", path="/nodes/own", uid=7)])
    done = root.run("run", "c")

    assert done.stderr == "ptylaunch: device: /nodes/own: File exists\n"
    assert (root.bundle / "rootfs/nodes/own").stat().st_uid == 0


def test_copying_tmpfs_begins_with_what_is_below_it(oci: Runtime) -> None:
    """Files, folders and links, with their modes; what is written goes to the copy."""
    below = oci.bundle / "rootfs/below"
    (below / "inner").mkdir(parents=True)
    (below / "inner/file").write_text("text\n")
    (below / "inner/file").chmod(0o640)
    (below / "link").symlink_to("inner/file")
    os.mkfifo(below / "fifo")
    for path in (below, *below.rglob("*")):
        os.chown(path, oci.uid, -1, follow_symlinks=False)
    mount = {"destination": "/below", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}
    add_mount(oci, mount)
    oci.script("cd /below; cat link; stat -c %a inner/file; ls; echo new >link")

    assert oci.do("run", "c") == "text\n640\ninner\nlink\n"
    assert (below / "inner/file").read_text() == "text\n"


@pytest.mark.parametrize(
    ("word", "said"), [("rshared", "shared:"), ("rslave", ""), ("private", "")]
)
def test_propagation_of_the_root_is_set(root: Runtime, word: str, said: str) -> None:
    """In the box alone: the host's own mounts stay what they are."""
    before = mounts_of_the_host()
    root.edit("linux", "rootfsPropagation", to=word)
    root.script("while read -r _ _ _ _ point _ tags; do "
                "[ $point = / ] && echo $tags; done </proc/self/mountinfo; true")  # fmt: skip

    tags = root.do("run", "c")

    assert tags.startswith(said)
    assert ("shared:" in tags) == bool(said)
    assert mounts_of_the_host() == before


def mounts_of_the_host() -> list[str]:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return [line.split(" - ")[0].split(maxsplit=6)[-1] for line in file if " / / " in line]


def test_name_is_set_in_a_namespace_that_is_joined(root: Runtime) -> None:
    """In one that is not the host's; there it is refused."""
    with subprocess.Popen(
        ["unshare", "--uts", "--net", "sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        there = f"/proc/{holder.pid}/ns/"
        kinds = [{"type": "mount"}, {"type": "pid"}]
        joined = [
            {"type": "uts", "path": there + "uts"},
            {"type": "network", "path": there + "net"},
        ]
        root.edit("linux", "namespaces", to=[*kinds, *joined])
        root.edit("linux", "sysctl", to={"net.ipv4.ip_default_ttl": "33"})
        root.edit("hostname", to="joined")
        root.script("hostname; cat /proc/sys/net/ipv4/ip_default_ttl")
        said = root.do("run", "c")
        holder.kill()
    root.edit("linux", "namespaces", to=[*kinds, {"type": "uts", "path": "/proc/self/ns/uts"}])
    root.edit("linux", "sysctl", to={})
    hosts = root.run("run", "c")

    assert said == "joined\n33\n"
    assert hosts.stderr == "ptylaunch: spec: hostname wants a uts namespace\n"
    assert os.uname().nodename != "joined"


def test_default_devices_give_no_privilege(oci: Runtime) -> None:
    """They are bound nosuid and noexec, and are what they are called."""
    oci.script("grep -E ' /dev/(null|zero|full|random|urandom|tty) ' /proc/self/mountinfo")

    lines = oci.do("run", "c").splitlines()

    assert len(lines) == 6
    assert all("nosuid" in line and "noexec" in line for line in lines)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
