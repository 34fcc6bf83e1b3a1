"""The keeper's life: build the box, keep a server running, wait, write the status down, go.

It reads no output and answers no client. SIGTERM stops the container (the program gets SIGTERM and
ten seconds), SIGINT ends it at once, SIGHUP replaces the server.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any

from ptykeep import identity, state
from ptykeep.listener import Listener, bind_control, bind_tcp
from ptykeep.log import log
from ptykeep.process import UNFORWARDED, exit_status, ignores, signal_child, signal_child_of
from ptykeep.protocol import EXIT_DONE, VERSION, Packet, receive
from ptykeep.screens import Screens
from ptykeep.server import Server
from ptykeep.session import Session, open_session
from ptykeep.summary import summarize

if TYPE_CHECKING:
    from ptykeep.engine import RuntimeBox
    from ptykeep.execution import Executions
    from ptykeep.network import Network
    from ptylaunch.container import Box

STOP_TIMEOUT = 10.0
"""Seconds between SIGTERM and SIGKILL, as docker's."""

_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Keeper:
    """One container: its box, its sessions, its listeners and its server."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.dirs = state.Dirs(request["data"], request["run"])
        self.id: str = request["container"]
        self.directory = state.container_dir(self.dirs, self.id)
        self.spec = state.read_json(f"{self.directory}/config.json")
        self.options: dict[str, Any] = json.loads(self.spec["annotations"][state.OPTIONS])
        self.listeners: list[Listener] = []
        self.server = Server(request["path"], self.directory)
        self.uid = identity.server_uid(self.spec)
        self.screens = Screens(request["path"], self.directory, self.uid)
        self.box: Box | RuntimeBox | None = None
        self.network: Network | None = None
        self.session: Session | None = None
        self.executions: Executions
        self.state: dict[str, Any] = {
            "format": 1,
            "id": self.id,
            "name": self.options["name"],
            "status": "created",
            "keeper_pid": os.getpid(),
            "created": time.time(),
            "epoch": 1,
            "summary": summarize(self.spec, self.options),
        }
        self._kill_at: float | None = None
        self._dirty = False
        self._finished = False
        self._wakeup = self._catch_signals()

    def _catch_signals(self) -> int:
        """Make signals readable: poll(2) then waits for them and for sockets alike."""
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in _SIGNALS:
            signal.signal(number, _ignore)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        return reading

    # Start

    def start(self) -> None:
        """Bind, build, run; raise OSError or LaunchFailed with nothing left behind."""
        try:
            self._bind()
            identity.give(self.directory, self.uid)
            self.server.start()  # it takes a while, in which the box is built
            self._greet()
            from ptykeep.building import build_box
            from ptykeep.execution import Executions

            process: dict[str, Any] = self.spec["process"]
            self.executions = Executions(
                self.directory, self.spec, send=self.server.send, changed=self._note_sessions
            )
            self.session = open_session(process, stdin=bool(self.options["stdin"]))
            self.session.foreground = bool(self.options.get("foreground"))
            self.box = build_box(self.spec, self.options, self.directory, self.session, self.save)
            self.session.adopt(self.box.pty_fd, self.box.tty_fd)
            self._announce()
            self._connect()
            self.save(status="created", init_pid=self.box.init_pid, pid=self.box.pid)
            self.box.start()
            self.session.close_program_ends()
            self.save(status="running", started=time.time())
        except BaseException:
            self.abandon()
            raise

    def _connect(self) -> None:
        """Give the box its network, before its program runs."""
        assert self.box is not None
        wish = self.options.get("network")
        if wish is not None:
            from ptykeep.network import Network  # most of it is only needed here

            place = f"{state.socket_dir(self.dirs, self.id)}/network"
            self.network = Network(wish, self.directory, place, self.state)
            self.network.start(self.box.target)

    def _bind(self) -> None:
        for wanted in self.options["listen"]:
            bound = bind_tcp(wanted["dialect"], wanted["host"], wanted["port"])
            self.listeners.append(bound)
        self.listeners.append(bind_control(state.socket_dir(self.dirs, self.id)))
        self.state["listeners"] = [
            {**listener.describe(), "tls": listener.dialect == "ptyd.v1" and self.options["tls"]}
            for listener in self.listeners
        ]

    def _greet(self) -> None:
        """Tell a new server what there is: everything it needs to take over."""
        self.server.send(
            {
                "type": "hello",
                "version": VERSION,
                "id": self.id,
                "name": self.options["name"],
                "directory": self.directory,
                "owner": os.geteuid(),
                "uid": self.uid,
                "options": self.options,
                "listeners": self.state["listeners"],
            },
            [listener.socket.fileno() for listener in self.listeners],
        )
        if self.box is not None:
            self._announce()
            self.executions.announce()

    def _announce(self) -> None:
        assert self.session is not None
        self.server.send(*self.session.describe())

    def abandon(self) -> None:
        """Undo a start that failed: the container never was."""
        self.server.kill()
        self.screens.end_all()
        if self.network is not None:
            self.network.stop()
        if self.box is not None:
            self.box.close()
        state.remove_container(self.dirs, self.id)

    def save(self, **fields: Any) -> None:
        """Write state.json; on a full disk remember to try again."""
        self.state.update(fields)
        try:
            state.write_json(f"{self.directory}/state.json", self.state)
            self._dirty = False
        except OSError as error:
            if not self._dirty:
                log(f"state.json is not written: {error.strerror}")
            self._dirty = True

    def _note_sessions(self) -> None:
        self.save(sessions=self.executions.describe())

    # Life

    def run(self) -> None:
        """Wait for signals, for the server and for time, until the container is over."""
        while not self._finished:
            poll = select.poll()
            poll.register(self._wakeup, select.POLLIN)
            if self.server.socket is not None:
                poll.register(self.server.socket, select.POLLIN)
            coming = self.executions.filenos()
            for fd in coming:
                poll.register(fd, select.POLLIN)
            if self.network is not None and self.network.host is not None:
                poll.register(self.network.host, select.POLLIN)
            for fd, _ in poll.poll(self._timeout()):
                if fd == self._wakeup:
                    for number in os.read(fd, 64):
                        self._on_signal(number)
                elif fd in coming:
                    self.executions.advance(fd)
                elif self.network is not None and self.network.is_host(fd):
                    self._dirty |= self.network.on_host_change()
                else:
                    self._on_server()
            self._on_time()

    def _timeout(self) -> float | None:
        """Return milliseconds until something is due, None for never."""
        due = [at for at in (self._kill_at, self.server.restart_at, self.server.kill_at) if at]
        due += self.executions.deadlines()
        if self.network is not None and self.network.restart_at is not None:
            due.append(self.network.restart_at)
        if self._dirty:
            due.append(time.monotonic() + 1.0)
        return max(0.0, min(due) - time.monotonic()) * 1000 + 1 if due else None

    def _on_signal(self, number: int) -> None:
        match number:
            case signal.SIGCHLD:
                self._reap()
            case signal.SIGTERM:
                self.stop()
            case signal.SIGINT:
                self.end_now()
            case signal.SIGHUP:
                self.server.replace()
            case _:
                pass

    def _on_time(self) -> None:
        now = time.monotonic()
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            self._signal_init(signal.SIGKILL)
        if self.network is not None:
            self._dirty |= self.network.on_time(now)
        if self._dirty:
            self.save()
        self.executions.on_time(now)
        if self.server.on_time(now):
            self._greet()

    def _reap(self) -> None:
        """Reap every child: the server, init, and orphans that a subreaper is given."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.server.pid:
                self._on_server_exit(os.waitstatus_to_exitcode(status))
            elif self.network is not None and pid == self.network.pid:
                self.network.on_reaped(os.waitstatus_to_exitcode(status))
                self.save()
            elif self.box is not None and pid == self.box.init_pid:
                self._on_exit(exit_status(status))
            else:
                self.screens.on_reaped(pid)
                self.executions.on_reaped(pid, exit_status(status))

    def _on_exit(self, status: int) -> None:
        """Write the program's status down, before anybody is told.

        Whatever joined the box has ended and is reaped: the kernel holds pid 1 back until then
        (pid_namespaces(7)).
        """
        assert self.session is not None
        assert self.box is not None
        from ptylaunch.usage import oom_kills  # only needed once, at the end

        self._kill_at = None
        if self.network is not None:
            self.network.stop()
        self.session.status = status
        self.box.close_target()
        self.state["oom_killed"] = oom_kills(self.box.cgroup) > 0
        self._remove_cgroup(timeout=0)
        self.save(status="exited", exit_status=status, finished=time.time())
        self.server.send({"type": "exited", "session": 0, "status": status})

    def _remove_cgroup(self, timeout: float) -> None:
        from ptylaunch.cgroup import remove  # building the box has loaded it

        if self.state.get("runtime"):
            from ptykeep.runtime import release  # the same

            release(self.state)
        if self.box is not None and remove(self.box.cgroup, timeout):
            self.state["cgroup"] = None

    def _on_server_exit(self, code: int) -> None:
        self.server.on_reaped()
        self.screens.end_all()
        over = self.session is not None and self.session.status is not None
        if over and code == EXIT_DONE:
            self.finish()
        else:
            self.server.plan_next(code)
            self.save(server_pid=None)

    def _on_server(self) -> None:
        """Act on what the server asks, each request checked against what it may."""
        if self.server.socket is None:
            return  # it went while this round's signals were handled
        try:
            packet = receive(self.server.socket)
        except (BlockingIOError, ValueError):
            return
        if packet is None:
            self.server.disconnect()
            return
        try:
            self._on_request(packet)
        finally:
            for fd in packet.fds:
                os.close(fd)

    def _on_request(self, packet: Packet) -> None:
        match packet.fields:
            case {"type": "ready", "intake": str(intake)}:
                self.server.ready = True
                self.save(server_pid=self.server.pid, intake=intake)
            case {"type": "signal", "session": int(session), "signal": int(number)} if (
                0 < number < signal.NSIG
            ):
                if session == 0:
                    self._signal_init(number)
                else:
                    self.executions.signal(session, number)
            case {"type": "close-stdin", "session": 0} if self.session is not None:
                self.session.close_stdin()
            case {"type": "close-stdin", "session": int(session)} if session in self.executions:
                self.executions[session].close_stdin()
            case {"type": "exec", "request": int(request)} if len(packet.fds) == 1:
                assert self.box is not None
                self.executions.start(request, packet.fds[0], self.box)
            case {"type": "keep", "session": int(session)}:
                self.executions.keep(session)
            case {"type": "removed", "session": int(session)}:
                self.executions.on_removed(session)
            case {"type": "screen", "session": int(number)} if packet.fds:
                self.screens.start(number, packet.fds[0])
            case {"type": "end-screen", "session": int(number)}:
                self.screens.end(number)
            case {"type": "stop"}:
                self.stop()
            case _:
                pass

    # End

    def stop(self) -> None:
        """Ask the program to end, and see to it in ten seconds."""
        if self.session is not None and self.session.status is not None:
            self.server.hurry()
            return
        if self._kill_at is None:
            self._kill_at = time.monotonic() + STOP_TIMEOUT
        number: int = self.options.get("stop_signal", signal.SIGTERM)
        self._signal_init(number)
        assert self.box is not None
        if self.box.pty_fd is not None and ignores(self.box.pid, number):
            # An interactive shell ignores SIGTERM; what ends one is its terminal going away.
            self._signal_init(signal.SIGHUP)

    def end_now(self) -> None:
        """Kill the program, or if it has ended wait for nobody any more."""
        if self.session is not None and self.session.status is not None:
            self.finish()
        else:
            self._kill_at = None
            self._signal_init(signal.SIGKILL)

    def _signal_init(self, number: int) -> None:
        over = self.session is None or self.session.status is not None
        if self.box is None or over:
            return
        if number == signal.SIGKILL:
            from ptylaunch.freezer import kill_all  # building the box has loaded it

            kill_all(self.box.cgroup)  # what v1's freezer holds does not die of a signal alone
        if number in UNFORWARDED and self.box.pid != self.box.init_pid:
            # To the program itself: pid 1 has no handler for these, or stops.
            signal_child_of(self.box.init_pid, self.box.pid, number)
        else:
            signal_child(self.box.init_pid, number)  # not yet reaped, so the pid is still its

    def finish(self) -> None:
        """Leave: the program has ended and whoever wanted to know does."""
        self.server.kill()
        self.screens.end_all()
        self._remove_cgroup(timeout=5)
        if self.options["rm"]:
            state.remove_container(self.dirs, self.id)
        else:
            state.remove_sockets(self.dirs, self.id)
            self.save(server_pid=None, keeper_pid=None)
        self._finished = True


def _ignore(_number: int, _frame: object) -> None:
    """Do nothing: the wakeup fd has the signal's number."""
