"""What the kernel lets this user do. Each function runs in a child and really does it."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import tempfile
from typing import Final

from ptycli.probe import Probe, Result, in_user_namespace, limited, missing, ok
from ptykeep import landlock
from ptykeep.state import RANGE_FIRST, RANGE_LENGTH
from ptylaunch import syscall as sc
from ptylaunch.namespace import userns_hint

_ALL: Final = (
    sc.CLONE_NEWNS
    | sc.CLONE_NEWPID
    | sc.CLONE_NEWUTS
    | sc.CLONE_NEWIPC
    | sc.CLONE_NEWNET
    | sc.CLONE_NEWCGROUP
)

# See seccomp(2) and linux/bpf_common.h.
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_SECCOMP_RET_ALLOW: Final = 0x7FFF0000
_SECCOMP_RET_ERRNO: Final = 0x00050000
_BPF_LD_W_ABS: Final = 0x20
_BPF_JEQ_K: Final = 0x15
_BPF_RET_K: Final = 0x06
_NR_OPENAT2: Final = 437  # the same on every architecture
_LANDLOCK_ADVICE: Final = "boot a kernel with CONFIG_SECURITY_LANDLOCK, and landlock in lsm="


def enter_namespaces(flags: int) -> None:
    """Become root of a user namespace with our own id alone, and enter ``flags`` as well."""
    uid, gid = os.geteuid(), os.getegid()
    sc.unshare(sc.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    sc.unshare(flags)


def _namespaces() -> Result:
    try:
        sc.unshare(sc.CLONE_NEWUSER)
    except OSError as error:
        reason = userns_hint() or error.strerror or ""
        return missing(reason, "set what it names, or user.max_user_namespaces, with sysctl(8)")
    sc.unshare(_ALL)
    return ok("user, mount, pid, network, ipc, uts, cgroup")


def _mounts() -> Result:
    """Build a root as the launcher does: detached trees, their flags, openat2 inside of them."""
    enter_namespaces(sc.CLONE_NEWNS)
    sc.mount(None, "/", None, sc.MS_PRIVATE | sc.MS_REC)
    tree = sc.open_tree(-1, "/usr", recursive=True)
    sc.mount_setattr(tree, recursive=True, attr_set=sc.MOUNT_ATTR_RDONLY)
    os.close(sc.openat2(tree, "/..", os.O_PATH, sc.RESOLVE_IN_ROOT))
    return ok("detached and read-only mounts, openat2")


def _seccomp() -> Result:
    """Install a filter that gives one call an errno that it never has, and make the call."""
    answer = _SECCOMP_RET_ERRNO | errno.ENOTTY
    instructions = (
        (_BPF_LD_W_ABS, 0, 0, 0),  # seccomp_data.nr
        (_BPF_JEQ_K, 0, 1, _NR_OPENAT2),
        (_BPF_RET_K, 0, 0, answer),
        (_BPF_RET_K, 0, 0, _SECCOMP_RET_ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *i) for i in instructions))
    program = ctypes.create_string_buffer(
        struct.pack("@HP", len(instructions), ctypes.addressof(code))
    )
    sc.prctl(sc.PR_SET_NO_NEW_PRIVS, 1)
    sc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program))
    try:
        os.close(sc.openat2(-100, "/", os.O_PATH, 0))
    except OSError as error:
        if error.errno == errno.ENOTTY:
            return ok("filters work")
        raise
    return missing("a filter was installed and does nothing", "choose a kernel with CONFIG_SECCOMP")


def _landlock() -> Result:
    """Enclose ourselves as a server is, and look outside."""
    has = landlock.version()
    if not has:
        return limited("servers are not kept to their containers' folders", _LANDLOCK_ADVICE)
    sc.prctl(sc.PR_SET_NO_NEW_PRIVS, 1)
    landlock.enclose(readable="/dev", writable="/dev")
    try:
        os.listdir("/")
    except PermissionError:
        return ok(f"servers are kept to their containers' folders (version {has})")
    return limited("it forbids nothing", _LANDLOCK_ADVICE)


def _overlay() -> Result:
    """Write a file through an overlay of a user namespace: for images and --rootfs."""
    enter_namespaces(sc.CLONE_NEWNS)
    sc.mount(None, "/", None, sc.MS_PRIVATE | sc.MS_REC)
    place = tempfile.gettempdir()
    sc.mount("tmpfs", place, "tmpfs", 0)
    for name in ("lower", "upper", "work", "root"):
        os.mkdir(f"{place}/{name}")
    _write(f"{place}/lower/file", b"below")
    layers = f"lowerdir={place}/lower,upperdir={place}/upper,workdir={place}/work,userxattr"
    sc.mount("overlay", f"{place}/root", "overlay", 0, layers)
    _write(f"{place}/root/file", b"above")
    with open(f"{place}/lower/file", "rb") as file:
        if file.read() != b"below":
            return missing("the layer below was changed", "choose another kernel")
    return ok("in a user namespace")


def _idmap() -> Result:
    """Show a folder under other ids, as root's volumes are shown."""
    if os.geteuid() != 0:
        return ok("not needed: the files of your volumes are yours inside too")
    child, hold = in_user_namespace()
    try:
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{child}/{name}", "w", encoding="ascii") as file:
                file.write(f"0 {RANGE_FIRST} {RANGE_LENGTH}")
        with tempfile.TemporaryDirectory(prefix="ptyd-doctor-") as folder:
            tree = sc.open_tree(-1, folder, recursive=False)
            userns = os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            sc.mount_setattr(tree, recursive=False, attr_set=sc.MOUNT_ATTR_IDMAP, userns_fd=userns)
            shown = os.fstat(tree).st_uid
        return ok(f"root's files of {tempfile.gettempdir()} are shown as {shown}'s")
    finally:
        os.close(hold)
        os.waitpid(child, 0)


def _splice() -> Result:
    """Move bytes as the journal does: from a terminal to a pipe to a file."""
    try:
        pty_fd, tty_fd = os.openpty()
    except OSError as error:
        return missing(f"there is no terminal to try it on: {error.strerror}", "see /dev/ptmx")
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.write(tty_fd, b"bytes")
    with tempfile.TemporaryFile() as file:
        moved = os.splice(pty_fd, writing, 100)
        os.splice(reading, file.fileno(), moved, offset_dst=0)
        if os.pread(file.fileno(), 100, 0) == b"bytes":
            return ok("from a terminal to a file")
    return missing("bytes were lost", "")


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


KERNEL_PROBES: Final = (
    Probe("namespaces", _namespaces, needed=True, advice="choose a kernel that has them all"),
    Probe("mounts", _mounts, needed=True, advice="Linux 5.12 or newer is needed"),
    Probe("seccomp", _seccomp, advice="choose a kernel with CONFIG_SECCOMP_FILTER"),
    Probe("landlock", _landlock, advice=_LANDLOCK_ADVICE),
    Probe("overlay", _overlay, advice="Linux 5.11 with overlay is wanted for images and --rootfs"),
    Probe("idmapped mounts", _idmap, advice="root's -v wants a filesystem that can be idmapped"),
    Probe("splice", _splice, advice="bytes will be copied, which is slower"),
)
