"""Builds a box and starts its program: the caller's side. The children's is in ``builder``."""

from __future__ import annotations

import errno
import os
import signal
import socket
from typing import Any, Final

from ptylaunch import cgroup as cg
from ptylaunch import channel as ch
from ptylaunch import syscall as sc
from ptylaunch import title
from ptylaunch.builder import Job, run_first
from ptylaunch.devicerule import require_enforcement
from ptylaunch.errors import LaunchFailed, failure_from, unpack_failure
from ptylaunch.hook import run_hooks
from ptylaunch.init import own_filter
from ptylaunch.limits import set_limits
from ptylaunch.namespace import userns_hint, write_maps
from ptylaunch.pipes import give_pipes
from ptylaunch.placement import Cgroup, asked, fresh_name, place
from ptylaunch.plan import Plan, host_id
from ptylaunch.reap import reap
from ptylaunch.resources import read_cgroups_path, read_limits
from ptylaunch.source import (
    Sources,
    idmap_by_own_maps,
    idmap_sources,
    may_open_sources,
    open_sources,
)
from ptylaunch.spec import read_plan
from ptylaunch.start import send_go
from ptylaunch.target import Target, pair_up
from ptylaunch.terms import KEEPERS, Terms

_TIMEOUT: Final = 60.0
"""Seconds that one step of the build may take before the box is given up."""

_LAST_WORDS: Final = 5.0
"""Seconds that the children of a failed build get to end by themselves."""


class Box:
    """A built box. Fds are -1 once they are closed."""

    def __init__(
        self,
        sock: socket.socket,
        init_pid: int,
        pid: int,
        lifetime_fd: int,
        terminal: list[int],
        *,
        target: Target,
        cgroup: Cgroup,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self.init_pid = init_pid
        """Host pid of pid 1, a child of the caller, who waits for it; exits as the program did."""
        self.pid = pid
        """Host pid of the program; ``init_pid`` when there is no init."""
        self.pty_fd: int | None = terminal[0] if terminal else None
        """Our end of the terminal, non-blocking."""
        self.tty_fd: int | None = terminal[1] if terminal else None
        """The program's end, held so that reading ``pty_fd`` never gives EIO."""
        self.lifetime_fd = lifetime_fd
        """While somebody holds it the box lives."""
        self.target = target
        """What another program needs to join (ptylaunch.join)."""
        self.cgroup = cgroup
        """The caller's to remove once pid 1 is reaped: ``ptylaunch.cgroup.remove``."""
        self.warnings = warnings
        """What the spec asks for and does not get, see :class:`ptylaunch.plan.Program`."""
        self._sock = sock

    def start(self) -> None:
        """Let the program run; raise LaunchFailed("exec", …) when it cannot: the box is gone."""
        try:
            send_go(self._sock)
        except LaunchFailed:
            self.discard()
            raise
        self._sock.close()

    def let_go(self) -> None:
        """Have it wait at its listener, from here on for anybody who says start."""
        try:
            ch.send(self._sock, ch.GO)
        except OSError:
            return  # killed while it waited: its exit status says so

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to pid 1, which passes it on; SIGKILL ends the whole box."""
        try:
            os.kill(self.init_pid, number)
        except ProcessLookupError:
            return

    def close(self) -> None:
        """Close what we hold. With an init that ends the box: it was the lifetime pipe."""
        self._sock.close()
        self.close_target()
        for fd in (self.lifetime_fd, self.pty_fd, self.tty_fd):
            if fd is not None and fd >= 0:
                os.close(fd)
        self.lifetime_fd = -1
        self.pty_fd = self.tty_fd = None

    def close_target(self) -> None:
        """Nobody can join any more: the namespaces, and the mounts in them, go with the box."""
        self.target.close()
        self.target = Target(())

    def discard(self) -> None:
        """Kill the box, reap it, close everything and remove its cgroup."""
        self.kill()
        self.close()
        reap(self.init_pid)
        cg.remove(self.cgroup)


def choose_cgroup(spec: dict[str, Any], more: tuple[str, ...] = ()) -> Cgroup:
    """Say where the cgroup of a spec's box would be: to be written down before :func:`build`.

    ``more`` are controllers for limits that may be set later.
    """
    return place(read_cgroups_path(spec) or fresh_name(), read_limits(spec), more)


def build(
    spec: dict[str, Any],
    bundle: str,
    *,
    stdio: tuple[int, int, int] | None = None,
    cgroup: Cgroup | None = None,
    terms: Terms = KEEPERS,
) -> Box:
    """Build the box of an OCI spec; its program waits for :meth:`Box.start`.

    ``bundle`` is what relative paths in the spec are relative to, ``stdio`` the program's fds 0 to
    2 when it has no terminal (default: ours), ``cgroup`` what :func:`choose_cgroup` said (default:
    one only if the spec asks for it). The calling process becomes a subreaper. After LaunchFailed
    nothing is left.
    """
    plan = read_plan(spec, bundle)
    sources: Sources | None = None
    try:
        if cgroup is None:
            wanted = plan.cgroups_path or asked(plan.resources)
            cgroup = choose_cgroup(spec) if wanted else Cgroup()
        require_enforcement(plan.resources.devices, cgroup)
        sc.prctl(sc.PR_SET_CHILD_SUBREAPER, 1)
        title.find_room()  # here: pages of ours that a child writes to are copied for it
        program = plan.program
        give_pipes(stdio, host_id(program.uid, plan.uid_map), host_id(program.gid, plan.gid_map))
        sources = open_sources(plan) if may_open_sources() else None
        idmap_by_own_maps(plan, sources)
        if path := dict(plan.joined).get(sc.CLONE_NEWUSER):
            _idmap(plan, sources, path)
        return _Construction(plan, terms, sources).run(stdio or (0, 1, 2), cgroup)
    except OSError as error:
        raise failure_from(error, "build") from error
    finally:
        if sources is not None:
            sources.close()


class _Construction:
    """One build: forks, answers the children, and cleans up when they fail."""

    def __init__(self, plan: Plan, terms: Terms, sources: Sources | None) -> None:
        self._plan = plan
        self._terms = terms
        self._sources = sources
        self._cgroup = Cgroup()
        self._first_pid = -1
        self._init_pid = -1
        self._program_pid = -1
        self._terminal: list[int] = []
        self._namespaces: list[int] = []
        self._init_ready = not plan.init
        self._sock, self._theirs = ch.open_channel(_TIMEOUT)
        if terms.tied:
            self._lifetime_read, self._lifetime_write = os.pipe2(os.O_CLOEXEC)
        else:  # an fd that never has anything to say
            self._lifetime_read, self._lifetime_write = os.eventfd(0, os.EFD_CLOEXEC), -1

    def run(self, stdio: tuple[int, int, int], cgroup: Cgroup) -> Box:
        doors: list[int] = []
        try:
            cg.create(cgroup, self._plan.resources)
            self._cgroup = cgroup  # ours to remove from here on
            doors = cg.open_doors(cgroup)
            lifetime_fd, plan = self._lifetime_read, self._plan
            job = Job(
                plan,
                self._terms,
                self._sources,
                self._theirs,
                lifetime_fd,
                stdio,
                cgroup,
                doors,
                own_filter() if plan.init else None,
            )
            pid, born = cg.fork_into(cgroup, doors, plan.birthright)
            if pid == 0:
                run_first(job, self._sock, self._lifetime_write, born=born)
            if born and plan.birthright:
                self._init_pid = pid
            else:
                self._first_pid = pid
            self._theirs.close()
            while not (self._init_ready and self._program_pid > 0 and self._init_pid > 0):
                self._answer(self._receive())
            reap(self._first_pid)
            self._first_pid = -1
        except BaseException:
            self._theirs.close()
            self._clean_up()
            raise
        finally:
            self._theirs.close()
            os.close(self._lifetime_read)
            for door in doors:
                os.close(door)
        plan = self._plan
        namespaces = pair_up(plan.every_namespace, self._namespaces)
        return Box(
            self._sock,
            self._init_pid,
            self._program_pid,
            self._lifetime_write,
            self._terminal,
            target=Target(namespaces, plan.uid_map, plan.gid_map, cg.doors_of(cgroup)),
            cgroup=cgroup,
            warnings=plan.program.warnings,
        )

    def _receive(self) -> ch.Message:
        try:
            return ch.receive(self._sock)
        except TimeoutError:
            raise LaunchFailed("build", errno.ETIMEDOUT, "") from None

    def _answer(self, message: ch.Message) -> None:
        if message.kind == ch.MAPS:
            self._map_ids()
            ch.send(self._sock, ch.GO)
        elif message.kind == ch.FORKED:
            self._init_pid = int(message.data)
        elif message.kind == ch.TERMINAL:
            self._terminal = message.fds
            os.set_blocking(message.fds[0], False)
        elif message.kind == ch.NAMESPACES:
            self._namespaces = message.fds
        elif message.kind == ch.HOOKS:
            state = {**self._terms.state, "status": "creating", "pid": message.pid}
            run_hooks(self._plan.hooks, state, "prestart", "createRuntime")
            ch.send(self._sock, ch.GO)
        elif message.kind == ch.LIMITS:
            set_limits(message.pid, self._plan.program.limits)
            ch.send(self._sock, ch.GO)
        elif message.kind == ch.INIT:
            self._init_ready = True
        elif message.kind == ch.READY:
            self._program_pid = message.pid
        elif message.kind == ch.FAILED:
            raise _explained(unpack_failure(message.data), self._plan)
        elif self._is_out_of_memory():
            raise LaunchFailed("build", errno.ENOMEM, "its limit of memory is too low to start in")
        else:
            raise LaunchFailed("build", errno.EPIPE, "a child died")

    def _is_out_of_memory(self) -> bool:
        from ptylaunch.usage import oom_kills  # only for a failure

        return oom_kills(self._cgroup) > 0

    def _map_ids(self) -> None:
        pid = self._init_pid if self._first_pid < 0 else self._first_pid
        write_maps(pid, self._plan.uid_map, self._plan.gid_map)
        _idmap(self._plan, self._sources, f"/proc/{pid}/ns/user")

    def _clean_up(self) -> None:
        """End and reap what was forked.

        The children end by themselves once they hear that we are gone, and until then one of them
        may still have FORKED to say: without it pid 1 would become a zombie nobody knows of.
        """
        if self._lifetime_write >= 0:
            os.close(self._lifetime_write)
        self._sock.settimeout(_LAST_WORDS)
        try:
            self._sock.shutdown(socket.SHUT_WR)
            while (message := ch.receive(self._sock)).kind:
                self._namespaces += message.fds  # whatever they are: they are closed below
                if message.kind == ch.FORKED:
                    self._init_pid = int(message.data)
        except OSError:
            pass  # hung: killed now
        for pid in (self._first_pid, self._init_pid):
            if pid > 0:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        reap(self._first_pid)
        reap(self._init_pid)
        self._sock.close()
        for fd in (*self._terminal, *self._namespaces):
            os.close(fd)
        cg.remove(self._cgroup)


def _idmap(plan: Plan, sources: Sources | None, userns: str) -> None:
    """Give the mounts that are to have the box's ids those of the user namespace at a path."""
    idmapped = [mount for mount in plan.mounts if mount.idmap and not mount.own_maps]
    if idmapped and sources is None:
        detail = "an idmapped mount wants a caller with CAP_SYS_ADMIN"
        raise LaunchFailed(f"mount {idmapped[0].target}", errno.EPERM, detail)
    if idmapped and sources is not None:
        fd = os.open(userns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            idmap_sources(plan, sources, fd)
        finally:
            os.close(fd)


def _explained(failure: LaunchFailed, plan: Plan) -> LaunchFailed:
    if failure.errno == errno.EAGAIN and plan.resources.pids:
        detail = f"its limit of processes, {plan.resources.pids}, may be too low to start in"
        return LaunchFailed(failure.stage, failure.errno, detail)
    if failure.stage in ("user namespace", "namespaces") and not failure.detail:
        return LaunchFailed(failure.stage, failure.errno, userns_hint())
    return failure
