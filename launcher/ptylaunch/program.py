"""Turns a child of the box into its program: terminal, identity, directory, execve."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from typing import TYPE_CHECKING, Final, NoReturn

from ptylaunch import attribute, privilege
from ptylaunch import channel as ch
from ptylaunch import syscall as sc
from ptylaunch.account import Wanted, resolve
from ptylaunch.child import FAILED, keep_only
from ptylaunch.errors import LaunchFailed, pack_failure
from ptylaunch.hook import Hook, run_hooks
from ptylaunch.rootfs import Rootfs
from ptylaunch.start import await_start
from ptylaunch.terms import KEEPERS, Terms

if TYPE_CHECKING:
    from ptylaunch.plan import Program

_DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SIGKILL: Final = 9
_TIOCSCTTY: Final = 0x540E  # ioctl_tty(2); termios is not loaded for a number


def prepare(
    program: Program, sock: socket.socket, stdio: tuple[int, int, int], tty_fd: int | None
) -> dict[str, str]:
    """Everything that can be done before the caller says GO; return the program's environment.

    Who calls this is a session leader.
    """
    if tty_fd is not None:
        fcntl.ioctl(tty_fd, _TIOCSCTTY, 0)
        stdio = (tty_fd, tty_fd, tty_fd)
    place(stdio)
    env = dict(entry.split("=", 1) for entry in program.env if "=" in entry)
    if not env.get("HOME"):  # runc and crun look it up too
        env["HOME"] = _home_of(program.uid)
    # While we still have the ids of the box's root: to a process of another user our caller may do
    # it with CAP_SYS_RESOURCE only (prlimit(2)).
    if program.limits:
        ch.send(sock, ch.LIMITS)
        if not ch.await_word(sock, ch.GO):
            os._exit(FAILED)
    attribute.assume(program.attributes)
    entered = _try_directory(program.cwd)
    privilege.assume(program, program.capabilities, no_new_privileges=program.no_new_privileges)
    # The change of identity made it what fs.suid_dumpable says (prctl(2)).
    sc.prctl(sc.PR_SET_DUMPABLE, 0)
    if not entered:
        _change_directory(program.cwd)
    os.umask(program.umask)
    _require(program, env)
    return env


def _home_of(uid: int) -> str:
    root_fd = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        home = resolve(Rootfs(root_fd), Wanted(uid, None)).home
    finally:
        os.close(root_fd)
    return "/" if "\0" in home else home


def place(stdio: tuple[int, int, int]) -> None:
    """Make these three fds 0, 1 and 2: first out of the way of each other, then into place."""
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in stdio]
    for number, copy in enumerate(copies):
        os.dup2(copy, number)
        os.close(copy)


def execute(
    program: Program,
    env: dict[str, str],
    sock: socket.socket,
    *,
    tie: bool,
    terms: Terms = KEEPERS,
    hooks: tuple[Hook, ...] = (),
) -> NoReturn:
    """Report, wait for the start and exec. ``tie``: this is pid 1 and dies with the caller.

    Without an init nobody watches the lifetime pipe, so the kernel does: PR_SET_PDEATHSIG is sent
    when the parent dies, which by GO is the caller (it adopted us), and SIGKILL from an outer
    namespace reaches a pid 1. It lasts over execve unless that raises privileges (prctl(2)).
    """
    handed_on = set(terms.preserved_fds)
    # Whoever waits here may wait for long, and must not hold what the caller has open meanwhile.
    waiting = handed_on | {sock.fileno()}
    if terms.listener is not None:
        waiting.add(terms.listener.fileno())
    keep_only(waiting)
    ch.send(sock, ch.READY)
    if not ch.await_word(sock, ch.GO):
        os._exit(FAILED)
    if tie:
        sc.prctl(sc.PR_SET_PDEATHSIG, _SIGKILL)
        if _is_alone(sock):  # it died in between
            os._exit(FAILED)
    if terms.listener is not None:
        sock.close()
        sock = await_start(terms.listener)
    for fd in terms.preserved_fds:
        os.set_inheritable(fd, True)
    if terms.listen_fds:
        env |= {"LISTEN_FDS": str(terms.listen_fds), "LISTEN_PID": str(os.getpid())}
    keep_only(handed_on | {sock.fileno()})  # which execve closes
    try:
        state = {**terms.state, "status": "created", "pid": os.getpid()}
        run_hooks(hooks, state, "startContainer", env=env)
        failure = _become(program, env)
    except LaunchFailed as error:
        failure = error
    # write(2), not send(2): a filter may be in force by now, and few forbid that.
    report = ch.FAILED + pack_failure(failure.stage, failure.errno, failure.detail)
    os.write(sock.fileno(), report)
    os._exit(failure.exit_code)


def _is_alone(sock: socket.socket) -> bool:
    try:
        return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


def _require(program: Program, env: dict[str, str]) -> None:
    """Fail before the start for a program that is not there, as runc does."""
    found = 0
    for path in _places(program.args[0], env.get("PATH", _DEFAULT_PATH)):
        try:
            if stat.S_ISDIR(os.stat(path).st_mode):
                found = found or errno.EISDIR
            elif os.access(path, os.X_OK, effective_ids=True):  # with our capabilities, access(2)
                return
            else:
                found = found or errno.EACCES
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            found = found or error.errno or errno.EIO
    raise _cannot_execute(program, found)


def _become(program: Program, env: dict[str, str]) -> LaunchFailed:
    """Try each place as execvp(3) does; return the failure that says most.

    From the filter on only execve is called: a policy need not allow what Python does. What can be
    known of a place without trying is found out before.
    """
    entries = tuple(f"{key}={value}" for key, value in env.items())
    found = 0
    executions: list[sc.Execution] = []
    for place in _places(program.args[0], env.get("PATH", _DEFAULT_PATH)):
        try:
            if stat.S_ISDIR(os.stat(place).st_mode):  # execve would say EACCES
                found = found or errno.EISDIR
            else:
                executions.append(sc.Execution(place, program.args, entries))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            found = found or error.errno or errno.EIO
    if program.seccomp is not None and executions:
        try:
            sc.load_filter(*program.seccomp)
        except OSError as error:
            return LaunchFailed("seccomp", error.errno or errno.EIO)
    for execution in executions:
        number = execution.make()
        if number not in (errno.ENOENT, errno.ENOTDIR):
            found = found or number
    return _cannot_execute(program, found)


def _cannot_execute(program: Program, found: int) -> LaunchFailed:
    number = found or errno.ENOENT
    where = " in PATH" if number == errno.ENOENT and "/" not in program.args[0] else ""
    if number == errno.EISDIR:  # what execve(2) says of it, by which podman knows 126
        number, where = errno.EACCES, " is a directory"
    return LaunchFailed("exec", number, program.args[0] + where)


def _places(name: str, path: str) -> list[str]:
    if "/" in name:
        return [name]
    return [os.path.join(part or ".", name) for part in path.split(":")]


def _try_directory(path: str) -> bool:
    """Enter it as the box's root, who may be let in where the program's user is not, as in runc."""
    try:
        _change_directory(path)
    except LaunchFailed as failure:
        if failure.errno in (errno.EACCES, errno.EPERM):
            return False  # it may be the user's own alone, on a filesystem where root is nobody
        raise
    return True


def _change_directory(path: str) -> None:
    """Enter the working directory and prove that it lies inside the root (CVE-2024-21626)."""
    try:
        os.chdir(path)
        reached = os.getcwd()
    except OSError as error:
        raise LaunchFailed("cwd", error.errno or errno.EIO, path) from error
    if not reached.startswith("/"):  # "(unreachable)…", getcwd(2)
        raise LaunchFailed("cwd", errno.EPERM, path)
