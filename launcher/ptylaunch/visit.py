"""Work on the files of a box by a process that is none of its programs: copying in and out.

A *visitor*, a fork of the caller, enters the box's user and mount namespace and no other: it sees
the files, mounts and ids that the box sees, and has of the box's root what files want, no more
(``_RIGHTS``). Why so, and neither from outside nor as a program of the box:

- Out here a path of the box would be followed with the caller's rights. Inside no link, mount or
  race can lead further than the box itself reaches (CVE-2018-15664, CVE-2019-10152).
- Nothing of the box is executed or loaded: ``forget_caller`` leaves nothing that imports, and the
  work must not look users up (CVE-2019-14271).
- It stays out of the box's pid namespace and cgroup, so the box neither sees nor stops it, and one
  that is paused can be visited.

A box that does not run is set up for the visit, from its spec and by what starts it, with nothing
in it: no program, no network, no view of the kernel. Memory (tmpfs) is empty and read-only then:
what is written there would be gone.
"""

from __future__ import annotations

import errno
import os
import select
import signal
from typing import TYPE_CHECKING, Any, Final

from ptylaunch import channel as ch
from ptylaunch import privilege, program
from ptylaunch import syscall as sc
from ptylaunch.capability import mask_of
from ptylaunch.child import FAILED, Stage, forget_caller, keep_only, report
from ptylaunch.errors import LaunchFailed, failure_from, unpack_failure
from ptylaunch.namespace import userns_hint, write_maps
from ptylaunch.placement import Cgroup
from ptylaunch.reap import reap
from ptylaunch.rootfs import KERNEL_VIEWS, build_rootfs, enter, finish_rootfs
from ptylaunch.source import Sources, idmap_sources, may_open_sources, open_sources
from ptylaunch.spec import read_plan
from ptylaunch.target import FILES

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from ptylaunch.plan import Plan

NAME: Final = "ptyd-files"
DIED: Final = "visit"
"""The stage of the failure of a visitor that did not say why."""

_RIGHTS: Final = mask_of(("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID"))
"""What the box's root has over files of its own ids; of other rights the visitor has none."""
_TIMEOUT: Final = 60.0
"""Seconds that a step on the way in may take; the work takes as long as it takes."""
_LAST_WORDS: Final = 1.0
"""Seconds that a visitor gets to clean up when its work is not wanted any more."""


class Visit:
    """A visitor at work; wait with :meth:`finish`, or :meth:`abandon` it."""

    def __init__(self, sock: socket.socket, pid: int) -> None:
        self.said = ""
        """What the work has returned."""
        self._sock = sock
        self._pid = pid

    def finish(self) -> None:
        """Wait for the end of the work; LaunchFailed as it raised."""
        try:
            message = ch.receive(self._sock)
        except BaseException:
            self.abandon()
            raise
        self._settle()
        if message.kind == ch.FAILED:
            raise unpack_failure(message.data)
        if message.kind != ch.READY:
            raise LaunchFailed(DIED, errno.EPIPE, "a child died")
        self.said = message.data.decode("utf-8", "surrogateescape")

    def abandon(self) -> None:
        """End it: by itself once its streams are closed, or killed."""
        fd = os.pidfd_open(self._pid)
        try:
            if not select.select([fd], [], [], _LAST_WORDS)[0]:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        finally:
            os.close(fd)
        self._settle()

    def _settle(self) -> None:
        reap(self._pid)
        self._sock.close()


def join(namespaces: Sequence[int], work: Callable[[], str], fd: int) -> Visit:
    """Have ``work`` done in a box that runs; ``fd`` is the only descriptor that it finds open.

    ``namespaces`` are descriptors of those in ``FILES``. Everything that the work uses must have
    been imported (see ``child.forget_caller``).
    """

    def go_in(sock: socket.socket, stage: Stage) -> None:
        keep_only([sock.fileno(), fd, *namespaces])
        stage.name = "namespaces"
        for flag, namespace in zip(FILES, namespaces, strict=True):
            sc.setns(namespace, flag)
            os.close(namespace)
            if flag == sc.CLONE_NEWUSER:
                privilege.become_root()

    return Visit(*_fork(go_in, work))


def set_up(spec: dict[str, Any], bundle: str, work: Callable[[], str], fd: int) -> Visit:
    """Have ``work`` done in a box that does not run, as :func:`join`; LaunchFailed, OSError.

    The caller sees to it that nobody starts the box meanwhile.
    """
    plan = _bare(read_plan(spec, bundle))
    sources = open_sources(plan) if may_open_sources() else None

    def go_in(sock: socket.socket, stage: Stage) -> None:
        stage.name = "user namespace"
        sc.unshare(sc.CLONE_NEWUSER)
        ch.send(sock, ch.MAPS)
        if not ch.await_word(sock, ch.GO):
            os._exit(FAILED)
        stage.name = "namespaces"
        sc.unshare(sc.CLONE_NEWNS)
        stage.name = "sources"
        found = sources or open_sources(plan)  # with our own uid, to whom alone the state is open
        place_fd = os.open("/", os.O_PATH | os.O_CLOEXEC)
        stage.name = "rootfs"
        privilege.become_root()
        root = build_rootfs(plan, found, place_fd, Cgroup())
        finish_rootfs(root, plan)
        enter(root)
        keep_only([sock.fileno(), fd])

    try:
        sock, pid = _fork(go_in, work)
        visit = Visit(sock, pid)
        try:
            _answer_maps(sock, pid, plan, sources)
        except BaseException:
            visit.abandon()
            raise
    finally:
        if sources is not None:
            sources.close()
    return visit


def _bare(plan: Plan) -> Plan:
    """Return the files of a box without what only a running one has."""
    mounts = tuple(each for each in plan.mounts if each.kind not in KERNEL_VIEWS)
    memory = tuple(each.target for each in mounts if each.kind == "tmpfs")
    return plan._replace(
        mounts=mounts,
        masked=(),
        readonly=memory,
        hooks=(),
        program=plan.program._replace(cwd="/"),
    )


def _answer_maps(sock: socket.socket, pid: int, plan: Plan, sources: Sources | None) -> None:
    message = ch.receive(sock)
    if message.kind == ch.FAILED:
        failure = unpack_failure(message.data)
        raise LaunchFailed(failure.stage, failure.errno, failure.detail or userns_hint())
    write_maps(pid, plan.uid_map, plan.gid_map)
    if sources is not None:
        fd = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        try:
            idmap_sources(plan, sources, fd)
        finally:
            os.close(fd)
    ch.send(sock, ch.GO)
    sock.settimeout(None)


def _fork(
    go_in: Callable[[socket.socket, Stage], None], work: Callable[[], str]
) -> tuple[socket.socket, int]:
    ours, theirs = ch.open_channel(_TIMEOUT)
    caller = os.getpid()
    pid = os.fork()
    if pid == 0:
        stage = Stage()
        try:
            ours.close()
            _leave(stage)
            go_in(theirs, stage)
            _settle_in(caller)
            stage.name = "files"
            ch.send(theirs, ch.READY, work().encode("utf-8", "surrogateescape"))
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 - a traceback would read files of the box
            report(theirs, failure_from(error, stage.name))
        os._exit(FAILED)
    theirs.close()
    ours.settimeout(None)
    return ours, pid


def _leave(stage: Stage) -> None:
    """Forget the caller, its streams included."""
    stage.name = "start"
    forget_caller(NAME)
    null_fd = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    program.place((null_fd, null_fd, null_fd))
    os.close(null_fd)


def _settle_in(caller: int) -> None:
    """Give up what files do not want, and die with the caller."""
    sc.prctl(sc.PR_SET_NO_NEW_PRIVS, 1)
    privilege.drop_bounding(_RIGHTS)
    sc.capset(_RIGHTS, _RIGHTS, 0)
    sc.prctl(sc.PR_SET_DUMPABLE, 0)
    sc.prctl(sc.PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of identity would have cleared it
    os.umask(0)
    if os.getppid() != caller:
        os._exit(FAILED)
