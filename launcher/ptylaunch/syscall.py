"""System calls that Python 3.11 does not offer, by ctypes: each raises OSError or returns.

Everything is looked up at import: nothing may be loaded after the root has changed. Numbers from
424 on are the same on every architecture (Linux, scripts/syscall.tbl).
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
from typing import Final

CLONE_NEWTIME: Final = 0x00000080
CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

# See mount(2).
MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_SYNCHRONOUS: Final = 16
MS_REMOUNT: Final = 32
MS_DIRSYNC: Final = 128
MS_NOSYMFOLLOW: Final = 256
MS_NOATIME: Final = 1024
MS_NODIRATIME: Final = 2048
MS_BIND: Final = 4096
MS_MOVE: Final = 8192
MS_REC: Final = 16384
MS_SILENT: Final = 32768
MS_UNBINDABLE: Final = 1 << 17
MS_PRIVATE: Final = 1 << 18
MS_SLAVE: Final = 1 << 19
MS_SHARED: Final = 1 << 20
MS_RELATIME: Final = 1 << 21
MS_STRICTATIME: Final = 1 << 24
MS_LAZYTIME: Final = 1 << 25
MNT_DETACH: Final = 2

# See open_tree(2), move_mount(2) and mount_setattr(2).
_OPEN_TREE_CLONE: Final = 1
_AT_SYMLINK_NOFOLLOW: Final = 0x100
AT_EMPTY_PATH: Final = 0x1000
_AT_RECURSIVE: Final = 0x8000
_MOVE_MOUNT_BOTH_EMPTY: Final = 0x04 | 0x40  # F_EMPTY_PATH | T_EMPTY_PATH
MOUNT_ATTR_RDONLY: Final = 0x01
MOUNT_ATTR_NOSUID: Final = 0x02
MOUNT_ATTR_NODEV: Final = 0x04
MOUNT_ATTR_NOEXEC: Final = 0x08
MOUNT_ATTR_IDMAP: Final = 0x100000
MOUNT_ATTR_NOSYMFOLLOW: Final = 0x200000

# See openat2(2).
RESOLVE_NO_MAGICLINKS: Final = 0x02
RESOLVE_NO_SYMLINKS: Final = 0x04
RESOLVE_IN_ROOT: Final = 0x10

# See prctl(2).
PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_KEEPCAPS: Final = 8
PR_SET_NAME: Final = 15
PR_CAPBSET_DROP: Final = 24
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_RAISE: Final = 2
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

_NR_OPEN_TREE: Final = 428
_NR_MOVE_MOUNT: Final = 429
_NR_CLONE3: Final = 435
_NR_CLOSE_RANGE: Final = 436
_NR_OPENAT2: Final = 437
_NR_PIDFD_GETFD: Final = 438
_NR_MOUNT_SETATTR: Final = 442
_NR_KEYCTL: Final = {
    "x86_64": 250,
    "aarch64": 219,
    "riscv64": 219,
    "ppc64le": 271,
    "s390x": 280,
}.get(os.uname().machine)
_KEYCTL_JOIN_SESSION_KEYRING: Final = 1
_CAPABILITY_HEADER: Final = struct.Struct("=Ii")
_CAPABILITIES: Final = struct.Struct("=6I")
_FEW: Final = ctypes.c_char_p * 64
"""An array for most command lines: to make another type of one is 30 us, in each child anew."""
_NR_RT_SIGACTION: Final = {
    "x86_64": 13,
    "aarch64": 134,
    "riscv64": 134,
    "ppc64le": 173,
    "s390x": 174,
}.get(os.uname().machine)
_NR_SECCOMP: Final = {
    "x86_64": 317,
    "aarch64": 277,
    "riscv64": 277,
    "ppc64le": 358,
    "s390x": 348,
}.get(os.uname().machine)
_SECCOMP_SET_MODE_FILTER: Final = 1
_CLONE_INTO_CGROUP: Final = 0x200000000

_libc: Final = ctypes.CDLL(None, use_errno=True)
_syscall: Final = _libc.syscall
_syscall.restype = ctypes.c_long
_syscall_under_lock: Final = ctypes.PyDLL(None, use_errno=True).syscall
_syscall_under_lock.restype = ctypes.c_long
_prctl: Final = _libc.prctl
_prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_mount: Final = _libc.mount
_mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]
_umount2: Final = _libc.umount2
_unshare: Final = _libc.unshare
_setns: Final = _libc.setns
_pivot_root: Final = _libc.pivot_root
_capset: Final = _libc.capset
_setdomainname: Final = _libc.setdomainname
_sethostname: Final = _libc.sethostname
_execve: Final = _libc.execve
_syncfs: Final = _libc.syncfs
_madvise: Final = _libc.madvise
_madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_MADV_DONTNEED: Final = 4


class _MountAttr(ctypes.Structure):
    """struct mount_attr, mount_setattr(2)."""

    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


class _OpenHow(ctypes.Structure):
    """struct open_how, openat2(2)."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


class _FilterProgram(ctypes.Structure):
    """struct sock_fprog, seccomp(2); ``length`` in instructions of 8 bytes."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _checked(result: int, name: str | None = None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def unshare(flags: int) -> None:
    _checked(_unshare(ctypes.c_int(flags)))


def setns(fd: int, flags: int) -> None:
    """Enter the namespace behind ``fd``, which must be of the kind ``flags`` says (setns(2))."""
    _checked(_setns(ctypes.c_int(fd), ctypes.c_int(flags)))


def fork_into(flags: int, cgroup_fd: int = -1) -> int:
    """Fork as os.fork() does, but with the child in new namespaces from its birth on (clone3(2)).

    ``flags`` say of which kinds they are; ``cgroup_fd`` is the cgroup of v2 that it is born into.

    The C library does not hear of it, so the child may do system calls, end by os._exit and fork
    (which puts things right), and nothing with threads or raise(3). The interpreter's lock is kept
    over the call: there would be nobody in the child to give it back.
    """
    if cgroup_fd >= 0:
        flags |= _CLONE_INTO_CGROUP
    numbers = (flags, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, max(0, cgroup_fd))
    arguments = (ctypes.c_uint64 * len(numbers))(*numbers)  # struct clone_args
    size = ctypes.c_long(ctypes.sizeof(arguments))
    return _checked(_syscall_under_lock(ctypes.c_long(_NR_CLONE3), ctypes.byref(arguments), size))


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    options = os.fsencode(data) if data else None
    _checked(_mount(*encoded, flags, options), target)


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    _checked(_umount2(os.fsencode(target), ctypes.c_int(flags)), target)


def pivot_root(new_root: str, put_old: str) -> None:
    _checked(_pivot_root(os.fsencode(new_root), os.fsencode(put_old)))


def open_tree(dir_fd: int, path: str, *, recursive: bool, follow: bool = True) -> int:
    """Return a detached, close-on-exec copy of a mount (or of what is below ``path``)."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | AT_EMPTY_PATH
    flags |= (_AT_RECURSIVE if recursive else 0) | (0 if follow else _AT_SYMLINK_NOFOLLOW)
    return _checked(
        _syscall(
            ctypes.c_long(_NR_OPEN_TREE),
            ctypes.c_long(dir_fd),
            ctypes.c_char_p(os.fsencode(path)),
            ctypes.c_long(flags),
        ),
        path,
    )


def move_mount(from_fd: int, to_fd: int) -> None:
    """Attach the mount ``from_fd`` on what ``to_fd`` stands for."""
    _checked(
        _syscall(
            ctypes.c_long(_NR_MOVE_MOUNT),
            ctypes.c_long(from_fd),
            ctypes.c_char_p(b""),
            ctypes.c_long(to_fd),
            ctypes.c_char_p(b""),
            ctypes.c_long(_MOVE_MOUNT_BOTH_EMPTY),
        )
    )


def call(number: int, *arguments: object) -> int:
    """Make a system call that the C library has no function for (syscall(2))."""
    return _checked(_syscall(ctypes.c_long(number), *arguments))


def mount_setattr(
    fd: int,
    *,
    recursive: bool,
    attr_set: int = 0,
    attr_clr: int = 0,
    propagation: int = 0,
    userns_fd: int = 0,
) -> None:
    attr = _MountAttr(attr_set, attr_clr, propagation, userns_fd)
    _checked(
        _syscall(
            ctypes.c_long(_NR_MOUNT_SETATTR),
            ctypes.c_long(fd),
            ctypes.c_char_p(b""),
            ctypes.c_long(AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)),
            ctypes.byref(attr),
            ctypes.c_long(ctypes.sizeof(attr)),
        )
    )


def openat2(dir_fd: int, path: str, flags: int, resolve: int, mode: int = 0) -> int:
    """Open below ``dir_fd`` under the rules of ``resolve``; always close-on-exec."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    return _checked(
        _syscall(
            ctypes.c_long(_NR_OPENAT2),
            ctypes.c_long(dir_fd),
            ctypes.c_char_p(os.fsencode(path)),
            ctypes.byref(how),
            ctypes.c_long(ctypes.sizeof(how)),
        ),
        path,
    )


def pidfd_getfd(pidfd: int, fd: int) -> int:
    """Return a close-on-exec copy of a descriptor of another process."""
    numbers = [ctypes.c_long(number) for number in (_NR_PIDFD_GETFD, pidfd, fd, 0)]
    return _checked(_syscall(*numbers))


def reset_hidden_signals() -> None:
    """Set the two real-time signals that glibc keeps for itself to their default disposition.

    sigaction(3) refuses 32 and 33, but whoever started us may have had them ignored, and that
    survives execve (signal(7)). Where the system call's number is not known they stay as they are.
    """
    if _NR_RT_SIGACTION is None:
        return
    default = bytes(32)  # struct sigaction of the kernel: handler, flags, restorer, mask
    for number in (32, 33):
        _syscall(
            ctypes.c_long(_NR_RT_SIGACTION),
            ctypes.c_long(number),
            default,
            None,
            ctypes.c_long(8),
        )


def close_range(first: int, last: int = 0xFFFFFFFF) -> None:
    """Close every fd from ``first`` to ``last``; without a last one, all that follow."""
    numbers = [ctypes.c_long(number) for number in (_NR_CLOSE_RANGE, first, last, 0)]
    if _syscall(*numbers) < 0:  # before Linux 5.9
        os.closerange(first, min(last + 1, os.sysconf("SC_OPEN_MAX")))


def prctl(option: int, value: int = 0, extra: int = 0) -> None:
    _checked(_prctl(option, value, extra, 0, 0))


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set the three sets of the calling thread, as bit masks (capset(2), version 3)."""
    halves = [half(mask) for half in (_low, _high) for mask in (effective, permitted, inheritable)]
    _checked(_capset(_CAPABILITY_HEADER.pack(0x20080522, 0), _CAPABILITIES.pack(*halves)))


def _low(mask: int) -> int:
    return mask & 0xFFFFFFFF


def _high(mask: int) -> int:
    return mask >> 32


def load_filter(program: bytes, flags: int) -> None:
    """Put a seccomp filter on the calling process, for good (seccomp(2))."""
    if _NR_SECCOMP is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), "seccomp")
    filter_ = _FilterProgram(len(program) // 8, program)
    _checked(
        _syscall(
            ctypes.c_long(_NR_SECCOMP),
            ctypes.c_long(_SECCOMP_SET_MODE_FILTER),
            ctypes.c_long(flags),
            ctypes.byref(filter_),
        ),
        "seccomp",
    )


class Execution:
    """A call of execve(2) with everything laid out, so that making it is one system call."""

    def __init__(self, path: str, args: tuple[str, ...], env: tuple[str, ...]) -> None:
        self._path = ctypes.c_char_p(os.fsencode(path))
        self._args = _strings(args)
        self._env = _strings(env)

    def make(self) -> int:
        """Become the program; return the errno that says why not."""
        _execve(self._path, self._args, self._env)
        return ctypes.get_errno()


def _strings(texts: tuple[str, ...]) -> ctypes.Array[ctypes.c_char_p]:
    kind = _FEW if len(texts) < 64 else ctypes.c_char_p * (len(texts) + 1)
    return kind(*map(os.fsencode, texts), None)


def set_hostname(name: str) -> None:
    encoded = name.encode()
    _checked(_sethostname(encoded, ctypes.c_size_t(len(encoded))))


def sync_filesystem(fd: int) -> None:
    """Have what was written to a filesystem, that of ``fd``, be on the disk (syncfs(2))."""
    _checked(_syncfs(ctypes.c_int(fd)))


def forget_pages(start: int, end: int) -> None:
    """Let go of memory that is to be read again from its file when it is wanted (madvise(2))."""
    _checked(_madvise(start, end - start, _MADV_DONTNEED))


def set_domainname(name: str) -> None:
    encoded = name.encode()
    _checked(_setdomainname(encoded, ctypes.c_size_t(len(encoded))))


def join_session_keyring(name: str) -> None:
    """Leave the caller's session keyring (keyctl(2)); a kernel without keyrings is no failure."""
    if _NR_KEYCTL is not None:
        _syscall(
            ctypes.c_long(_NR_KEYCTL),
            ctypes.c_long(_KEYCTL_JOIN_SESSION_KEYRING),
            ctypes.c_char_p(name.encode()),
        )
