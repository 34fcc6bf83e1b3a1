"""User namespace maps, written from outside, and the loopback interface, from inside."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import struct
from typing import TYPE_CHECKING, Final, NoReturn

from ptylaunch import syscall as sc
from ptylaunch.errors import LaunchFailed
from ptylaunch.plan import IdRange
from ptylaunch.reap import reap

if TYPE_CHECKING:
    from ptylaunch.plan import Plan

_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1
_HELPER_PLACES: Final = ("/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin")

_HINTS: Final = (
    # (file, the value that forbids, what to say)
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone is 0"),
    ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces is 0"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor forbids user namespaces (kernel.apparmor_restrict_unprivileged_userns)",
    ),
)


def write_maps(pid: int, uid_map: tuple[IdRange, ...], gid_map: tuple[IdRange, ...]) -> None:
    """Give the user namespace of ``pid`` its ids: directly where we may, else by newuidmap."""
    if _is_own_id(uid_map, os.geteuid()) and _is_own_id(gid_map, os.getegid()):
        if os.geteuid() != 0:
            _write(pid, "setgroups", "deny")  # the condition for gid_map without privilege
        _write(pid, "uid_map", _format(uid_map))
        _write(pid, "gid_map", _format(gid_map))
        return
    for name, ranges in (("uid_map", uid_map), ("gid_map", gid_map)):
        try:
            _write(pid, name, _format(ranges))
        except LaunchFailed as failure:
            if failure.errno != errno.EPERM:
                raise
            _run_helper("new" + name.replace("_", ""), pid, ranges)


def open_user_namespace(uid_map: tuple[IdRange, ...], gid_map: tuple[IdRange, ...]) -> int:
    """Return the fd of a new user namespace that nobody is in: it is there for its maps."""
    with _Somebody(None) as pid:
        write_maps(pid, uid_map, gid_map)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)


def maps_at(path: str) -> tuple[tuple[IdRange, ...], tuple[IdRange, ...]]:
    """Return the uids and gids of the user namespace at a path: of a process in it, as it has none.

    LaunchFailed("namespaces", …) when it cannot be entered.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise LaunchFailed("namespaces", error.errno or errno.EIO, path) from error
    try:
        with _Somebody(fd, path) as pid:
            return read_map(pid, "uid_map"), read_map(pid, "gid_map")
    finally:
        os.close(fd)


def read_map(pid: int, name: str) -> tuple[IdRange, ...]:
    """Return ``uid_map`` or ``gid_map`` of a process; OSError."""
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return tuple(IdRange(*map(int, line.split())) for line in file)


class _Somebody:
    """A child in a user namespace, a new one or that of ``fd``, as long as it is needed."""

    def __init__(self, fd: int | None, path: str = "") -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            self._pid = os.fork()
            if self._pid == 0:
                _be_somebody(theirs, fd)
            theirs.close()
            if not ours.recv(1):
                reap(self._pid)
                stage, detail = ("namespaces", path) if path else ("user namespace", userns_hint())
                raise LaunchFailed(stage, errno.EPERM, detail)

    def __enter__(self) -> int:
        return self._pid

    def __exit__(self, *_: object) -> None:
        os.kill(self._pid, signal.SIGKILL)
        reap(self._pid)


def _be_somebody(sock: socket.socket, fd: int | None) -> NoReturn:
    """Be there until we are killed, or whoever could do that is gone."""
    try:
        sc.prctl(sc.PR_SET_PDEATHSIG, signal.SIGKILL)
        if fd is None:
            sc.unshare(sc.CLONE_NEWUSER)
        else:
            sc.setns(fd, sc.CLONE_NEWUSER)
        sock.send(b"1")
        signal.pause()
    finally:
        os._exit(1)


def userns_hint() -> str:
    """Say what on this host forbids user namespaces, if something is known to."""
    for path, forbids, text in _HINTS:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if os.read(fd, 16).decode("ascii", "replace").strip() == forbids:
                return text
        finally:
            os.close(fd)
    return ""


def raise_loopback() -> None:
    """Switch ``lo`` on in a new network namespace (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack_from("h", fcntl.ioctl(sock, _SIOCGIFFLAGS, request), 16)[0]
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def write_sysctl(plan: Plan) -> None:
    """Set what the plan allows; the host's /proc shows a task its own namespaces' values."""
    for name, value in plan.sysctl:
        _write_file("/proc/sys/" + name, value, "sysctl")


def _is_own_id(ranges: tuple[IdRange, ...], own: int) -> bool:
    return len(ranges) == 1 and ranges[0].size == 1 and ranges[0].outside == own


def _format(ranges: tuple[IdRange, ...]) -> str:
    return "".join(f"{part.inside} {part.outside} {part.size}\n" for part in ranges)


def _write(pid: int, name: str, text: str) -> None:
    _write_file(f"/proc/{pid}/{name}", text, "user namespace")


def _write_file(path: str, text: str, stage: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())  # these files want everything in one write
        finally:
            os.close(fd)
    except OSError as error:
        raise LaunchFailed(stage, error.errno or errno.EIO, path.rpartition("/")[2]) from error


def _failed(child: int, complaint: str) -> bool:
    try:
        return os.waitpid(child, 0)[1] != 0
    except ChildProcessError:  # the caller's own SIGCHLD handling was faster
        return bool(complaint)


def _run_helper(name: str, pid: int, ranges: tuple[IdRange, ...]) -> None:
    """Run newuidmap or newgidmap (setuid root, checks /etc/subuid), keep what it complains of."""
    place = next(
        (f"{folder}/{name}" for folder in _HELPER_PLACES if os.access(f"{folder}/{name}", os.X_OK)),
        "",
    )
    if not place:
        raise LaunchFailed("user namespace", errno.ENOENT, f"{name} is not installed")
    numbers = [str(number) for part in ranges for number in part]
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, write_fd, 1), (os.POSIX_SPAWN_DUP2, write_fd, 2)]
        child = os.posix_spawn(place, [name, str(pid), *numbers], {}, file_actions=actions)
        os.close(write_fd)
        write_fd = -1
        try:
            complaint = os.read(read_fd, 512).decode("utf-8", "replace").strip()
        except OSError:
            reap(child)
            raise
        if _failed(child, complaint):
            raise LaunchFailed("user namespace", errno.EPERM, complaint or f"{name} failed")
    finally:
        os.close(read_fd)
        if write_fd >= 0:
            os.close(write_fd)
