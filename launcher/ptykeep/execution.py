"""The programs that ``exec`` starts beside the container's own: sessions 1, 2 and so on.

A session that has ended is kept for KEPT seconds, so that somebody may still come for its status
and its output, and of those at most MOST_ENDED; then its journal is removed. Docker forgets an
exec likewise, five minutes after its end. What is there when the container ends stays with it.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptykeep.removal import remove_tree
from ptykeep.session import Session, open_session
from ptykeep.wish import Wish, check, read_request
from ptylaunch.container import Box
from ptylaunch.errors import LaunchFailed, failure_from
from ptylaunch.join import Joining

if TYPE_CHECKING:
    from collections.abc import Callable

    from ptykeep.engine import RuntimeBox
    from ptykeep.entry import Entry

KEPT: Final = 300.0
"""Seconds."""
MOST_ENDED: Final = 16
MOST_RUNNING: Final = 64
"""Each holds up to six descriptors, of which a process usually has 1,024."""


_NEVER: Final = float("inf")


class _Coming(NamedTuple):
    """A program on its way; ``requests`` are the server's numbers of who waits for it."""

    wish: Wish
    session: Session
    joining: Joining | Entry
    requests: list[int]


class Executions:
    """All of them of one container."""

    def __init__(
        self,
        directory: str,
        spec: dict[str, Any],
        *,
        send: Callable[[dict[str, Any], list[int]], None],
        changed: Callable[[], None],
    ) -> None:
        """``spec`` is the container's, ``send`` tells the server, ``changed`` the disk."""
        self._directory = directory
        self._spec = spec
        self._send = send
        self._changed = changed
        self._coming: dict[int, _Coming] = {}  # by the descriptor of its channel
        self._early: dict[int, int] = {}  # statuses of those that ended before we knew they ran
        self._sessions: dict[int, Session] = {}
        self._keys: dict[str, int] = {}
        self._told: dict[int, dict[str, Any]] = {}
        self._forget_at: dict[int, float] = {}  # _NEVER: the server has been asked to let go
        self._last = 0

    # Requests

    def start(self, request: int, fd: int, box: Box | RuntimeBox) -> None:
        """Begin what the file ``fd`` asks for; the answer goes to the server, now or later."""
        try:
            wish = check(read_request(fd), self._spec["process"], self._spec["linux"])
            if not self._repeat(request, wish.key):
                self._begin(request, wish, box)
        except LaunchFailed as failure:
            self.refuse([request], failure)
        except OSError as error:
            self.refuse([request], failure_from(error, "exec"))

    def _repeat(self, request: int, key: str) -> bool:
        """Answer who asks again: the server died before it could say what became of it."""
        if key in self._keys:
            self._tell_started([request], self._keys[key])
            return True
        for coming in self._coming.values():
            if key and coming.wish.key == key:
                coming.requests.append(request)
                return True
        return False

    def _begin(self, request: int, wish: Wish, box: Box | RuntimeBox) -> None:
        running = len(self._sessions) - len(self._forget_at) + len(self._coming)
        if running >= MOST_RUNNING:
            raise LaunchFailed("exec", errno.EAGAIN, f"{running} programs are running in it")
        session = open_session(wish.process, stdin=wish.stdin)
        session.foreground, session.on_disconnect = wish.foreground, wish.on_disconnect
        try:
            joining = self._enter(wish, session, box)
        except BaseException:
            session.close()
            raise
        self._coming[joining.fileno()] = _Coming(wish, session, joining, [request])

    def _enter(self, wish: Wish, session: Session, box: Box | RuntimeBox) -> Joining | Entry:
        if isinstance(box, Box):
            target, user, home = box.target, wish.user, wish.find_home
            return Joining(target, wish.program, user=user, find_home=home, stdio=session.stdio)
        from ptykeep.entry import Entry  # only for another engine

        return Entry(box.runtime, self._spec, self._directory, wish, session.stdio)

    def refuse(self, requests: list[int], failure: LaunchFailed) -> None:
        """Tell the server why there is no program for these."""
        for request in requests:
            answer = {
                "type": "failed",
                "request": request,
                "stage": failure.stage,
                "errno": failure.errno,
                "error": str(failure),
                "exit_code": failure.exit_code,
            }
            self._send(answer, [])

    # On their way

    def filenos(self) -> list[int]:
        """Return what to poll for reading; :meth:`advance` takes it."""
        return list(self._coming)

    def deadlines(self) -> list[float]:
        """When :meth:`on_time` wants to be called, in monotonic seconds."""
        joining = [coming.joining.deadline for coming in self._coming.values()]
        return [*joining, *(at for at in self._forget_at.values() if at != _NEVER)]

    def advance(self, fileno: int) -> None:
        """Go on with the program whose channel has something to say."""
        coming = self._coming[fileno]
        try:
            if not coming.joining.advance():
                return
        except LaunchFailed as failure:
            del self._coming[fileno]
            self._early.pop(coming.joining.pid, None)
            coming.session.close()
            self.refuse(coming.requests, failure)
            return
        del self._coming[fileno]
        self._add(coming)

    def _add(self, coming: _Coming) -> None:
        session, joining = coming.session, coming.joining
        self._last += 1
        session.number, session.pid = self._last, joining.pid
        session.adopt(joining.pty_fd, joining.tty_fd)
        session.close_program_ends()
        self._sessions[session.number] = session
        if coming.wish.key:
            self._keys[coming.wish.key] = session.number
        self._told[session.number] = {
            "args": list(coming.wish.program.args),
            "user": coming.wish.user,
            "tty": session.tty,
            "pid": session.pid,
            "started": time.time(),
        }
        self._changed()
        self._send(*session.describe())
        self._tell_started(coming.requests, session.number)
        if session.pid in self._early:
            self._end(session, self._early.pop(session.pid))

    def _tell_started(self, requests: list[int], number: int) -> None:
        for request in requests:
            self._send({"type": "started", "request": request, "session": number}, [])

    # There

    def __getitem__(self, number: int) -> Session:
        return self._sessions[number]

    def __contains__(self, number: object) -> bool:
        return number in self._sessions

    def announce(self) -> None:
        """Tell a new server of every session; who waits for one that is coming asks it again."""
        for coming in self._coming.values():
            coming.requests.clear()
        for number, session in self._sessions.items():
            self._send(*session.describe())
            if self._forget_at.get(number) == _NEVER:
                self._send({"type": "remove", "session": number}, [])

    def describe(self) -> dict[str, Any]:
        """Return what state.json says of them, by number."""
        return {str(number): dict(fields) for number, fields in self._told.items()}

    def signal(self, number: int, signal_: int) -> None:
        """Signal a session's program: a child that is not reaped, so the pid is still its."""
        session = self._sessions.get(number)
        if session is not None and session.pid:
            os.kill(session.pid, signal_)
            if signal_ == signal.SIGHUP:
                os.kill(session.pid, signal.SIGCONT)  # a stopped one would not hear of it

    def on_reaped(self, pid: int, status: int) -> None:
        """Note that a child has ended, if it was one of ours."""
        for session in self._sessions.values():
            if session.pid == pid:
                self._end(session, status)
                return
        for coming in self._coming.values():
            coming.joining.learn()
        if any(coming.joining.pid == pid for coming in self._coming.values()):
            self._early[pid] = status

    def _end(self, session: Session, status: int) -> None:
        """Write the status down, before anybody is told."""
        number = session.number
        session.pid, session.status = 0, status
        self._told[number] |= {"exit_status": status, "finished": time.time(), "pid": 0}
        self._forget_at[number] = time.monotonic() + KEPT
        self._changed()
        self._send({"type": "exited", "session": number, "status": status}, [])
        self._crowd_out()

    def _crowd_out(self) -> None:
        ended = sorted(self._forget_at.items(), key=lambda each: each[1])
        kept = [number for number, at in ended if at != _NEVER]
        for number in kept[: max(0, len(kept) - MOST_ENDED)]:
            self._ask_to_remove(number)

    def on_time(self, now: float) -> None:
        """Do what is due."""
        for fileno in [fd for fd, each in self._coming.items() if each.joining.deadline <= now]:
            self.advance(fileno)
        for number in [number for number, at in self._forget_at.items() if at <= now]:
            self._ask_to_remove(number)

    def _ask_to_remove(self, number: int) -> None:
        """Have the server let go: somebody may still read what is going to be removed."""
        self._forget_at[number] = _NEVER
        self._send({"type": "remove", "session": number}, [])

    def on_removed(self, number: int) -> None:
        """The server has let go of a session that has ended: forget it and remove its files."""
        if self._forget_at.get(number) != _NEVER:
            return
        session = self._sessions.pop(number)
        session.close()
        del self._forget_at[number], self._told[number]
        self._keys = {key: each for key, each in self._keys.items() if each != number}
        remove_tree(f"{self._directory}/sessions/{number}")
        self._changed()

    def keep(self, number: int) -> None:
        """Its client has left on purpose: nobody's vanishing matters to it from here on."""
        if number in self._sessions:
            self._sessions[number].on_disconnect = "keep"
