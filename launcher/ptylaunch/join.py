"""Starts a second program in a box: the caller's side. The children's is in ``entrant``.

Nothing here waits unless it is asked to (:func:`join`): what runs in the box can see the program
before its execve, and stop it (SIGSTOP wants no more than the same uid). A keeper that waited for
it could be kept from stopping the box.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Final

from ptylaunch import channel as ch
from ptylaunch import syscall as sc
from ptylaunch.account import parse_user
from ptylaunch.entrant import Errand, run_entrant
from ptylaunch.errors import LaunchFailed, failure_from, unpack_failure
from ptylaunch.limits import set_limits
from ptylaunch.pipes import give_pipes
from ptylaunch.plan import Program, host_id
from ptylaunch.reap import reap

if TYPE_CHECKING:
    from ptylaunch.target import Target

WITHIN: Final = 10.0
"""Seconds that a program may take to get into the box."""


class Joining:
    """One program on its way into a box: poll :meth:`fileno`, then :meth:`advance`.

    The caller is a subreaper and waits for its children; of those one is the entrant, whose status
    means nothing, and then the program itself.
    """

    def __init__(
        self,
        target: Target,
        program: Program,
        *,
        user: str = "",
        find_home: bool = False,
        stdio: tuple[int, int, int] | None = None,
        preserved_fds: frozenset[int] = frozenset(),
    ) -> None:
        """Fork; ``stdio`` are the program's fds 0 to 2 when it has no terminal.

        ``preserved_fds`` are the program's too. ``user`` is ``USER[:GROUP]`` of the box, looked up
        there; ``find_home`` sets HOME to that user's. Raise LaunchFailed with nothing left.
        """
        self.pid = -1
        """Host pid of the program, -1 until it is known."""
        self.entrant_pid = -1
        """Host pid of the other child: it ends as soon as it has forked the program."""
        self.pty_fd: int | None = None
        """Our end of the terminal, non-blocking."""
        self.tty_fd: int | None = None
        """The program's end, held so that reading ``pty_fd`` never gives EIO."""
        self.deadline = time.monotonic() + WITHIN
        self._target = target
        self._program = program
        self._stdio = stdio
        self._let_go = False
        self._witnesses: list[int] = []
        try:
            wanted = parse_user(user) if user else None
        except ValueError as error:
            raise LaunchFailed("spec", errno.EINVAL, str(error)) from None
        if not any(each.flag == sc.CLONE_NEWNS for each in target.namespaces):
            # The box is gone, or never was one: the program would run beside us.
            raise LaunchFailed("join", errno.ESRCH, "the container has ended")
        sc.prctl(sc.PR_SET_CHILD_SUBREAPER, 1)
        self._sock, theirs = ch.open_channel(WITHIN)
        self._sock.setblocking(False)
        errand = Errand(target, program, wanted, find_home, theirs, stdio, preserved_fds)
        try:
            self.entrant_pid = os.fork()
            if self.entrant_pid == 0:
                run_entrant(errand)
            self._witnesses.append(os.pidfd_open(self.entrant_pid))
        except OSError as error:
            self._sock.close()
            raise failure_from(error, "fork") from error
        finally:
            theirs.close()

    def fileno(self) -> int:
        """Readable when :meth:`advance` has something to do."""
        return self._sock.fileno()

    def learn(self) -> None:
        """Find out :attr:`pid` if that can be done without a message: of ours it cannot."""

    def advance(self) -> bool:
        """Do what can be done now; return whether the program runs.

        Raise LaunchFailed when it will not: then nothing is left of it but children to wait for.
        """
        try:
            while not self._answer(ch.receive(self._sock)):
                pass
        except BlockingIOError:
            if time.monotonic() < self.deadline:
                return False
            self.abandon()
            raise LaunchFailed("join", errno.ETIMEDOUT) from None
        except BaseException as error:
            self.abandon()
            if isinstance(error, OSError):
                raise failure_from(error, "join") from error
            raise
        self._settle()
        return True

    def abandon(self) -> None:
        """Kill what there is and close everything; the children are still to be waited for."""
        for fd in self._witnesses:
            try:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._settle()
        if self.pty_fd is not None and self.tty_fd is not None:
            os.close(self.pty_fd)
            os.close(self.tty_fd)
        self.pty_fd = self.tty_fd = None

    def kill(self) -> None:
        """End the program, which runs; it is still to be waited for."""
        os.kill(self.pid, signal.SIGKILL)

    def _settle(self) -> None:
        self._sock.close()
        while self._witnesses:
            os.close(self._witnesses.pop())

    def _answer(self, message: ch.Message) -> bool:
        """Act on one message; return whether it was the last of a success."""
        if message.kind == ch.FORKED:
            try:
                self._know(int(message.data))
            except ProcessLookupError:
                pass  # it has ended and been waited for; what it has to say comes next
        elif message.kind == ch.IDENTITY:
            uid, gid = map(int, message.data.split())
            maps = self._target
            give_pipes(self._stdio, host_id(uid, maps.uid_map), host_id(gid, maps.gid_map))
        elif message.kind == ch.TERMINAL:
            pty_fd, tty_fd = message.fds
            os.set_blocking(pty_fd, False)
            self.pty_fd, self.tty_fd = pty_fd, tty_fd
        elif message.kind == ch.READY:
            self._know(message.pid)
            ch.send(self._sock, ch.GO)
            self._let_go = True
        elif message.kind == ch.LIMITS:
            set_limits(message.pid, self._program.limits)
            ch.send(self._sock, ch.GO)
        elif message.kind == ch.FAILED:
            if message.pid != self.entrant_pid:
                self.pid = message.pid  # it may be heard before the entrant has told of it
            raise unpack_failure(message.data)
        elif self._let_go:
            return True  # end-of-file: execve has closed the last copy, or it was killed there
        else:
            raise LaunchFailed("join", errno.EPIPE, "it died on its way: has the container ended?")
        return False

    def _know(self, pid: int) -> None:
        """Remember the program; ESRCH when it was waited for, so that nobody knows its status."""
        if self.pid < 0:
            self._witnesses.append(os.pidfd_open(pid))
            self.pid = pid


def join(joining: Joining) -> Joining:
    """Wait until the program runs; LaunchFailed when it does not. For who has nothing else to do.

    The program is a child of ours from then on: ``os.waitpid(joining.pid, 0)``.
    """
    poll = select.poll()
    poll.register(joining, select.POLLIN)
    try:
        while not joining.advance():
            poll.poll(max(0.0, joining.deadline - time.monotonic()) * 1000 + 1)
    except LaunchFailed:
        reap(joining.entrant_pid)  # first: until then the program is its child, not ours
        reap(joining.pid)
        raise
    reap(joining.entrant_pid)
    return joining


def confine(program: Program, box: Program) -> Program:
    """Return ``program`` as one that may run in the box of ``box``; LaunchFailed if it asks more.

    No capability that the box's own programs could not have, their no_new_privs and filter of
    system calls, no limit above theirs, no better a place when memory runs out.
    """
    asked = program.capabilities
    most = box.capabilities.bounding
    if any(mask & ~most for mask in asked):
        raise _refuse("a capability that the container does not have")
    if box.no_new_privileges and not program.no_new_privileges:
        raise _refuse("new privileges, which the container may not get")
    highest = {limit.resource: limit for limit in box.limits}
    for limit in program.limits:
        top = highest.pop(limit.resource, None)
        if top is not None and top.hard != -1 and not 0 <= limit.hard <= top.hard:
            raise _refuse("a limit above the container's")
    score, its = program.oom_score_adj, box.oom_score_adj
    if its is not None and score is not None and score < its:
        raise _refuse("a lower oom_score_adj than the container's")
    return program._replace(
        limits=(*program.limits, *highest.values()),
        oom_score_adj=its if score is None else score,
        seccomp=box.seccomp,
        attributes=program.attributes._replace(personality=box.attributes.personality),
    )


def _refuse(what: str) -> LaunchFailed:
    return LaunchFailed("privileges", errno.EPERM, f"it asks for {what}")
