"""The children that build a box. Every function here runs in a fork of the caller.

The caller forks *pid 1* into the box's cgroup and into new user and pid namespaces (clone3(2)). It
gets its maps and enters the other namespaces, builds the root, and becomes the program or, with an
init, forks it.

Where that cannot be, because a namespace is to be joined or the kernel or a filter forbids clone3,
the caller forks *first* in its place: it does the same step by step up to the other namespaces and
forks pid 1, since a pid namespace only holds children. Then it ends, and pid 1 is adopted by the
caller, a subreaper.

Nothing here is imported late, resolves a user by nss, or prints: after the root has changed all of
that would load or open files of the box.
"""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ptylaunch import cgroup as cg
from ptylaunch import channel as ch
from ptylaunch import init, privilege, program, title
from ptylaunch import syscall as sc
from ptylaunch.child import FAILED, Stage, adjust_oom_score, forget_caller, report
from ptylaunch.clock import write_offsets
from ptylaunch.errors import failure_from
from ptylaunch.hook import run_hooks
from ptylaunch.namespace import raise_loopback, write_sysctl
from ptylaunch.rootfs import Rootfs, build_rootfs, enter, enter_without_pivot, finish_rootfs
from ptylaunch.source import Sources, open_sources
from ptylaunch.target import join_paths, open_own_namespaces
from ptylaunch.terminal import bind_console, open_terminal

if TYPE_CHECKING:
    from ptylaunch.placement import Cgroup
    from ptylaunch.plan import Filter, Plan
    from ptylaunch.terms import Terms


class Job(NamedTuple):
    """What the children need; ``sources`` is None when the caller lacks the privilege."""

    plan: Plan
    terms: Terms
    sources: Sources | None
    sock: socket.socket
    lifetime_fd: int
    stdio: tuple[int, int, int]
    cgroup: Cgroup
    doors: list[int]
    """Of the box's cgroup, one a hierarchy."""
    own_filter: Filter | None
    """Of an init's own system calls."""


def run_first(
    job: Job, callers_sock: socket.socket, lifetime_write_fd: int, *, born: bool
) -> NoReturn:
    """Be the first child, ``born`` in the plan's birthright or not; never returns, never raises."""
    stage = Stage()
    try:
        stage.name = "cgroup"
        cg.enter(job.doors)  # before all else, so that nothing we start can be outside
        # Only the caller may hold these: with a copy here its death would never be seen.
        callers_sock.close()
        if lifetime_write_fd >= 0:
            os.close(lifetime_write_fd)
        forget_caller(init.NAME)
        _first(job, stage, job.plan.birthright if born else 0)
    except BaseException as error:  # noqa: BLE001 - a traceback would read files of the box
        report(job.sock, failure_from(error, stage.name))
    os._exit(FAILED)


def _first(job: Job, stage: Stage, born_in: int) -> None:
    plan, sock = job.plan, job.sock
    if plan.program.oom_score_adj is not None:
        stage.name = "oom_score_adj"
        adjust_oom_score(plan.program.oom_score_adj)
    # With the rights that we have out here: they are not the box's, whatever it is mapped to.
    join_paths(plan.joined)
    stage.name = "user namespace"
    if plan.namespaces & sc.CLONE_NEWUSER:
        if not born_in & sc.CLONE_NEWUSER:
            sc.unshare(sc.CLONE_NEWUSER)
        ch.send(sock, ch.MAPS)
        if not ch.await_word(sock, ch.GO):
            os._exit(FAILED)
    stage.name = "namespaces"
    sc.unshare(plan.namespaces & ~(sc.CLONE_NEWUSER | born_in))
    write_offsets(plan.time_offsets)
    stage.name = "sources"
    # Before the change of identity: the state directory is open to our own uid alone.
    sources = job.sources or open_sources(plan)
    # Hooks look for the root where the bundle has it; without any it is out of the way at "/".
    place = plan.root if plan.hooks or not job.terms.pivot else "/"
    place_fd = os.open(place, os.O_PATH | os.O_CLOEXEC)
    if born_in:
        _pid_1(job, sources, place_fd, stage)
    stage.name = "fork"
    pid = os.fork()
    if pid == 0:
        _be_pid_1(job, sources, place_fd)
    try:
        ch.send(sock, ch.FORKED, str(pid).encode())
    except OSError:  # then it is nobody's: who should adopt it does not know it
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    os._exit(0)


def _be_pid_1(job: Job, sources: Sources, place_fd: int) -> NoReturn:
    stage = Stage()
    try:
        _pid_1(job, sources, place_fd, stage)
    except BaseException as error:  # noqa: BLE001 - a traceback would read files of the box
        report(job.sock, failure_from(error, stage.name))
    os._exit(FAILED)


def _pid_1(job: Job, sources: Sources, place_fd: int, stage: Stage) -> NoReturn:
    plan = job.plan
    os.setsid()
    stage.name = "identity"
    privilege.become_root()
    if job.terms.new_keyring:
        sc.join_session_keyring("ptyd")
    stage.name = "network"
    if plan.namespaces & sc.CLONE_NEWNET:
        raise_loopback()
    stage.name = "hostname"
    if plan.hostname:
        sc.set_hostname(plan.hostname)
    if plan.domainname:
        sc.set_domainname(plan.domainname)
    write_sysctl(plan)
    stage.name = "rootfs"
    root = build_rootfs(plan, sources, place_fd, job.cgroup)
    if plan.hooks:
        stage.name = "hooks"
        _await_hooks(job, root)
    tty_fd = None
    if plan.program.terminal:
        stage.name = "terminal"
        terminal = open_terminal(root, plan.program.rows, plan.program.cols, plan.program.uid)
        tty_fd = terminal.tty_fd
        bind_console(root, tty_fd)
        ch.send(job.sock, ch.TERMINAL, fds=(terminal.pty_fd, tty_fd))
        os.close(terminal.pty_fd)
    stage.name = "rootfs"
    finish_rootfs(root, plan)
    stage.name = "namespaces"
    # While /proc is the host's. Whoever joins the box later has these: by then the way over our
    # pid is closed to an ordinary user, because we are not dumpable.
    fds = open_own_namespaces(plan.every_namespace)
    ch.send(job.sock, ch.NAMESPACES, fds=tuple(fds))
    for fd in fds:
        os.close(fd)
    maps_fd = os.open("/proc/self/maps", os.O_RDONLY | os.O_CLOEXEC) if plan.init else -1
    stage.name = "pivot_root"
    if job.terms.pivot:
        enter(root)
    else:
        enter_without_pivot(root, plan.root)
    if plan.propagation:  # not before: a root that is shared would tell the host of its mounts
        sc.mount(None, "/", None, plan.propagation)
    if plan.init:
        stage.name = "init"
        _fork_program(job, tty_fd, maps_fd)
    stage.name = "program"
    env = program.prepare(plan.program, job.sock, job.stdio, tty_fd)
    tie = job.terms.tied
    program.execute(plan.program, env, job.sock, tie=tie, terms=job.terms, hooks=plan.hooks)


def _await_hooks(job: Job, root: Rootfs) -> None:
    """Let the caller run the host's hooks, then run those of the box's namespaces."""
    ch.send(job.sock, ch.HOOKS)
    if not ch.await_word(job.sock, ch.GO):
        os._exit(FAILED)
    os.fchdir(root.fd)
    state = {**job.terms.state, "status": "creating", "pid": os.getpid()}
    run_hooks(job.plan.hooks, state, "createContainer")


def _fork_program(job: Job, tty_fd: int | None, maps_fd: int) -> NoReturn:
    """Fork the program and be its init. The init takes the program's uid, to may signal it."""
    pid = os.fork()
    if pid == 0:
        _be_program(job, tty_fd)
    privilege.assume(job.plan.program, privilege.NOTHING, no_new_privileges=True)
    sc.prctl(sc.PR_SET_DUMPABLE, 0)
    text = init.find_text(maps_fd)
    init.keep_only(job.lifetime_fd, job.sock.fileno())
    with socket.socket(fileno=init.CHANNEL) as channel:
        try:
            title.set_name(init.NAME)
            signals_fd = init.catch_signals()
            init.confine(job.own_filter)
            # Only now: the program runs soon after, and what a pid 1 has no handler for is lost.
            ch.send(channel, ch.INIT)
        except BaseException as error:  # noqa: BLE001 - as in run_first, whose channel is closed here
            report(channel, failure_from(error, "init"))
            os._exit(FAILED)
    init.serve(pid, signals_fd, text)


def _be_program(job: Job, tty_fd: int | None) -> NoReturn:
    stage = Stage()
    try:
        stage.name = "program"
        os.setsid()
        plan = job.plan
        env = program.prepare(plan.program, job.sock, job.stdio, tty_fd)
        program.execute(plan.program, env, job.sock, tie=False, terms=job.terms, hooks=plan.hooks)
    except BaseException as error:  # noqa: BLE001 - a traceback would read files of the box
        report(job.sock, failure_from(error, stage.name))
    os._exit(FAILED)
