"""The children that join a box. Every function here runs in a fork of the caller.

The caller forks *the entrant*, which gives up what it holds of the host, enters the cgroups and
namespaces and forks *the program*, since a pid namespace only takes children in (setns(2)). Then
it ends, and the program is adopted by the caller, a subreaper.

What runs in the box sees the program from its birth on. Until execve that is a fork of the caller,
so it is not dumpable before it enters (CVE-2016-9962), holds no descriptor of the host but its own
streams and the channel (CVE-2024-21626), and imports, prints and resolves nothing (builder).
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ptylaunch import channel as ch
from ptylaunch import privilege, program
from ptylaunch import syscall as sc
from ptylaunch.account import Wanted, resolve
from ptylaunch.capability import Capabilities
from ptylaunch.child import FAILED, Stage, adjust_oom_score, forget_caller, keep_only, report
from ptylaunch.errors import LaunchFailed, failure_from
from ptylaunch.rootfs import Rootfs
from ptylaunch.terminal import open_terminal
from ptylaunch.terms import Terms

if TYPE_CHECKING:
    import socket

    from ptylaunch.plan import Program
    from ptylaunch.target import Namespace, Target

NAME = "ptyd-exec"
"""What a process on its way into the box is called: nothing of the host's paths."""
_STDIO = (0, 1, 2)


class Errand(NamedTuple):
    """What the children need. ``user`` is looked up inside, and replaces the program's.

    ``find_home``: HOME is to be that user's.
    """

    target: Target
    program: Program
    user: Wanted | None
    find_home: bool
    sock: socket.socket
    stdio: tuple[int, int, int] | None
    preserved_fds: frozenset[int]


def run_entrant(errand: Errand) -> NoReturn:
    """Be the first child; never returns, never raises."""
    stage = Stage()
    try:
        forget_caller(NAME)
        _enter(errand, stage)
    except BaseException as error:  # noqa: BLE001 - a traceback would read files of the box
        report(errand.sock, failure_from(error, stage.name))
    os._exit(FAILED)


def _enter(errand: Errand, stage: Stage) -> None:
    target = errand.target
    _take_stdio(errand.stdio)
    namespaces = (each.fd for each in target.namespaces)
    keep_only([errand.sock.fileno(), *namespaces, *errand.preserved_fds])
    if errand.program.oom_score_adj is not None:
        stage.name = "oom_score_adj"
        adjust_oom_score(errand.program.oom_score_adj)
    # Not before: what is not dumpable does not own its files in /proc.
    sc.prctl(sc.PR_SET_DUMPABLE, 0)
    stage.name = "cgroup"
    for path in target.cgroups:  # before the first fork: no child may be outside
        _write_self(path)
    stage.name = "namespaces"
    before, after = target.in_order()
    _join(before)
    _join(after)
    stage.name = "fork"
    pid = os.fork()
    if pid == 0:
        _be_program(errand)
    ch.send(errand.sock, ch.FORKED, str(pid).encode())
    os._exit(0)


def _take_stdio(stdio: tuple[int, int, int] | None) -> None:
    """Put the program's streams into place: until then ours are the caller's, its log for one."""
    if stdio is None:
        null_fd = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        stdio = (null_fd, null_fd, null_fd)
    program.place(stdio)


def _join(namespaces: list[Namespace]) -> None:
    for each in namespaces:
        sc.setns(each.fd, each.flag)
        os.close(each.fd)
        if each.flag == sc.CLONE_NEWUSER:
            privilege.become_root()
    sc.prctl(sc.PR_SET_DUMPABLE, 0)  # a change of identity has made it fs.suid_dumpable (prctl(2))


def _write_self(path: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, b"0")  # whoever writes (cgroups(7))
    finally:
        os.close(fd)


def _be_program(errand: Errand) -> NoReturn:
    stage = Stage("program")
    try:
        _run(errand, stage)
    except BaseException as error:  # noqa: BLE001 - a traceback would read files of the box
        report(errand.sock, failure_from(error, stage.name))
    os._exit(FAILED)


def _run(errand: Errand, stage: Stage) -> None:
    os.setsid()
    sc.join_session_keyring("ptyd")
    root = Rootfs(os.open("/", os.O_PATH | os.O_CLOEXEC))
    wanted = errand.program
    if errand.user is not None:
        stage.name = "user"
        wanted = _with_user(wanted, root, errand.user, find_home=errand.find_home)
    ch.send(errand.sock, ch.IDENTITY, f"{wanted.uid} {wanted.gid}".encode())
    tty_fd = None
    if wanted.terminal:
        stage.name = "terminal"
        terminal = open_terminal(root, wanted.rows, wanted.cols, wanted.uid)
        tty_fd = terminal.tty_fd
        ch.send(errand.sock, ch.TERMINAL, fds=(terminal.pty_fd, tty_fd))
        os.close(terminal.pty_fd)
    os.close(root.fd)
    stage.name = "program"
    env = program.prepare(wanted, errand.sock, _STDIO, tty_fd)
    terms = Terms(preserved_fds=errand.preserved_fds)
    program.execute(wanted, env, errand.sock, tie=False, terms=terms)


def _with_user(wanted: Program, root: Rootfs, user: Wanted, *, find_home: bool) -> Program:
    """Return the program as that user: root gets what the box's may have, others nothing."""
    account = resolve(root, user)
    most = wanted.capabilities.bounding
    own = 0 if account.uid else most
    capabilities = Capabilities(bounding=most, effective=own, permitted=own)
    env = wanted.env
    if find_home:
        env = (*(entry for entry in env if not entry.startswith("HOME=")), f"HOME={account.home}")
    if any("\0" in entry for entry in env):
        raise LaunchFailed("user", errno.EINVAL, "its home in /etc/passwd holds a NUL byte")
    return wanted._replace(
        uid=account.uid,
        gid=account.gid,
        groups=account.groups,
        capabilities=capabilities,
        env=env,
    )
