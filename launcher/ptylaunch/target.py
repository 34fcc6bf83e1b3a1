"""A box as somebody joins it: its namespaces as descriptors, its ids, its cgroups.

A descriptor means one namespace for ever, a pid may become another process's between two looks.
Whoever builds a box is handed the descriptors by pid 1 itself; a stranger, who has only a pid,
opens them with a pidfd as the witness that it was one process all along.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from typing import TYPE_CHECKING, Final, NamedTuple

from ptylaunch import syscall as sc
from ptylaunch.errors import LaunchFailed
from ptylaunch.namespace import read_map
from ptylaunch.process import identify

if TYPE_CHECKING:
    from ptylaunch.plan import IdRange

KINDS: Final = (
    ("user", sc.CLONE_NEWUSER),
    ("cgroup", sc.CLONE_NEWCGROUP),
    ("ipc", sc.CLONE_NEWIPC),
    ("uts", sc.CLONE_NEWUTS),
    ("net", sc.CLONE_NEWNET),
    ("time", sc.CLONE_NEWTIME),
    ("pid", sc.CLONE_NEWPID),
    ("mnt", sc.CLONE_NEWNS),
)
"""Names in /proc/pid/ns, in the order in which they are entered: the host's files go last."""
FILES: Final = (sc.CLONE_NEWUSER, sc.CLONE_NEWNS)
"""What is entered of a box by who works on its files alone, in this order."""

_NS_GET_USERNS: Final = 0xB701  # ioctl_ns(2)


class Namespace(NamedTuple):
    """A CLONE_NEW flag and a descriptor of that kind."""

    flag: int
    fd: int


class Target(NamedTuple):
    """A box to be joined. The maps are empty without a user namespace of its own.

    ``cgroups`` are the paths of the files that a process writes itself into (cgroup.doors_of).
    """

    namespaces: tuple[Namespace, ...]
    uid_map: tuple[IdRange, ...] = ()
    gid_map: tuple[IdRange, ...] = ()
    cgroups: tuple[str, ...] = ()

    def close(self) -> None:
        for namespace in self.namespaces:
            os.close(namespace.fd)

    def in_order(self) -> tuple[list[Namespace], list[Namespace]]:
        """Return what is entered before the box's own user namespace, and what from there on.

        One that belongs to another user namespace (it was given to the box by its path) can only
        be entered with the privileges that we have out here.
        """
        own = [each.fd for each in self.namespaces if each.flag == sc.CLONE_NEWUSER]
        before = [] if own else list(self.namespaces)
        for each in self.namespaces if own else ():
            if each.fd != own[0] and not _owned_by(each.fd, own[0]):
                before.append(each)
        return before, [each for each in self.namespaces if each not in before]


def join_paths(wanted: tuple[tuple[int, str], ...]) -> None:
    """Enter the namespaces at these paths of the host; LaunchFailed names the one that fails.

    A path that is a namespace of another kind is EINVAL (setns(2)). A user namespace is entered
    before those that it owns, and after all others.
    """
    paths = dict(wanted)
    fds: list[int] = []
    try:
        for _, flag in KINDS:
            if flag in paths:
                fds.append(_open_namespace(paths[flag]))
        flags = [flag for _, flag in KINDS if flag in paths]
        opened = tuple(map(Namespace, flags, fds))
        before, after = Target(opened).in_order()
        for each in (*before, *after):
            try:
                sc.setns(each.fd, each.flag)
            except OSError as error:
                detail = paths[each.flag]
                raise LaunchFailed("namespaces", error.errno or errno.EIO, detail) from error
    finally:
        for fd in fds:
            os.close(fd)


def _open_namespace(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise LaunchFailed("namespaces", error.errno or errno.EIO, path) from error


def open_own_namespaces(flags: int) -> list[int]:
    """Return descriptors of the calling process's namespaces, those of ``flags`` in our order."""
    return _open("self", flags)


def pair_up(flags: int, fds: list[int]) -> tuple[Namespace, ...]:
    """Name what :func:`open_own_namespaces` opened for the same flags."""
    kinds = [flag for _, flag in KINDS if flag & flags]
    return tuple(Namespace(flag, fd) for flag, fd in zip(kinds, fds, strict=True))


def open_target(pid: int, started: int = 0, cgroups: tuple[str, ...] = ()) -> Target:
    """Return the box of a process that we did not build, by what is not ours of its namespaces.

    ``started`` is its start time in clock ticks (field 22 of proc_pid_stat(5)), as whoever wrote
    the pid down saw it: another process that got the pid since is refused. Raise LaunchFailed.
    """
    try:
        witness = os.pidfd_open(pid)
    except OSError as error:
        raise LaunchFailed("join", error.errno or errno.EIO, f"process {pid}") from error
    fds: list[int] = []
    try:
        if started and identify(pid).started != started:
            raise LaunchFailed("join", errno.ESRCH, f"process {pid} is another one now")
        flags = sum(flag for name, flag in KINDS if not _is_ours(pid, name))
        fds = _open(str(pid), flags)
        uid_map, gid_map = read_map(pid, "uid_map"), read_map(pid, "gid_map")
        # Still there and not reaped: everything above was read of it, and of nobody else.
        signal.pidfd_send_signal(witness, 0)
    except OSError as error:
        for fd in fds:
            os.close(fd)
        raise LaunchFailed("join", error.errno or errno.EIO, f"process {pid}") from error
    finally:
        os.close(witness)
    if not flags & sc.CLONE_NEWUSER:
        uid_map = gid_map = ()  # ours: the ids are the same on both sides
    return Target(pair_up(flags, fds), uid_map, gid_map, cgroups)


def _open(process: str, flags: int) -> list[int]:
    fds: list[int] = []
    try:
        for name, flag in KINDS:
            if flag & flags:
                fds.append(os.open(f"/proc/{process}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        for fd in fds:
            os.close(fd)
        raise
    return fds


def _is_ours(pid: int, name: str) -> bool:
    """Entering one's own user namespace is an error (setns(2)), any other is for nothing.

    One that this kernel does not have (time, cgroup) is everybody's.
    """
    try:
        ours = os.stat(f"/proc/self/ns/{name}")
    except FileNotFoundError:
        return True
    return os.path.samestat(os.stat(f"/proc/{pid}/ns/{name}"), ours)


def _owned_by(fd: int, user_fd: int) -> bool:
    try:
        owner = fcntl.ioctl(fd, _NS_GET_USERNS)
    except PermissionError:
        return False  # its owner is further out than we are
    try:
        return os.path.sameopenfile(owner, user_fd)
    finally:
        os.close(owner)
