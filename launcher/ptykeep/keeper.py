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

from ptykeep import asked, identity, state
from ptykeep.epoch import STOP_TIMEOUT, Epoch
from ptykeep.listener import Listener, bind_control, bind_tcp
from ptykeep.log import log
from ptykeep.process import exit_status
from ptykeep.protocol import EXIT_DONE, VERSION, receive
from ptykeep.screens import Screens
from ptykeep.server import Server
from ptykeep.summary import summarize

if TYPE_CHECKING:
    from ptykeep.execution import Executions

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
        self.epoch = Epoch(1, self.spec, self.options, self.directory)
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
            from ptykeep.execution import Executions

            self.executions = Executions(
                self.directory, self.spec, send=self.server.send, changed=self._note_sessions
            )
            epoch = self.epoch
            epoch.build(self.save, foreground=bool(self.options.get("foreground")))
            self._announce()
            epoch.connect(f"{state.socket_dir(self.dirs, self.id)}/network", self.state)
            assert epoch.box is not None
            self.save(status="created", init_pid=epoch.box.init_pid, pid=epoch.box.pid)
            epoch.start()
            self.save(status="running", started=time.time())
        except BaseException:
            self.abandon()
            raise

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
        if self.epoch.box is not None:
            self._announce()
            self.executions.announce()

    def _announce(self) -> None:
        assert self.epoch.session is not None
        self.server.send(*self.epoch.session.describe())

    def abandon(self) -> None:
        """Undo a start that failed: the container never was."""
        self.server.kill()
        self.screens.end_all()
        self.epoch.abandon()
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
            network = self.epoch.network
            if network is not None and network.host is not None:
                poll.register(network.host, select.POLLIN)
            for fd, _ in poll.poll(self._timeout()):
                if fd == self._wakeup:
                    for number in os.read(fd, 64):
                        self._on_signal(number)
                elif fd in coming:
                    self.executions.advance(fd)
                elif network is not None and network.is_host(fd):
                    self._dirty |= network.on_host_change()
                else:
                    self._on_server()
            self._on_time()

    def _timeout(self) -> float | None:
        """Return milliseconds until something is due, None for never."""
        due = [at for at in (self.epoch.kill_at, self.server.restart_at, self.server.kill_at) if at]
        due += self.executions.deadlines()
        network = self.epoch.network
        if network is not None and network.restart_at is not None:
            due.append(network.restart_at)
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
        epoch = self.epoch
        if epoch.kill_at is not None and now >= epoch.kill_at:
            epoch.kill()
        if epoch.network is not None:
            self._dirty |= epoch.network.on_time(now)
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
            elif self.epoch.network is not None and pid == self.epoch.network.pid:
                self.epoch.network.on_reaped(os.waitstatus_to_exitcode(status))
                self.save()
            elif self.epoch.box is not None and pid == self.epoch.box.init_pid:
                self._on_exit(exit_status(status))
            else:
                self.screens.on_reaped(pid)
                self.executions.on_reaped(pid, exit_status(status))

    def _on_exit(self, status: int) -> None:
        """Write the program's status down, before anybody is told."""
        self.state["oom_killed"] = self.epoch.end(status)
        self.epoch.remove_cgroup(self.state, timeout=0)
        self.save(status="exited", exit_status=status, finished=time.time())
        self.server.send({"type": "exited", "session": 0, "status": status})

    def _on_server_exit(self, code: int) -> None:
        self.server.on_reaped()
        self.screens.end_all()
        if self.epoch.is_over and code == EXIT_DONE:
            self.finish()
        else:
            self.server.plan_next(code)
            self.save(server_pid=None)

    def _on_server(self) -> None:
        """Act on what the server asks."""
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
            asked.answer(self, packet)
        finally:
            for fd in packet.fds:
                os.close(fd)

    # End

    def stop(self) -> None:
        """Ask the program to end, and see to it in ten seconds."""
        if self.epoch.is_over:
            self.server.hurry()
        else:
            self.epoch.stop(self.options.get("stop_signal", signal.SIGTERM), STOP_TIMEOUT)

    def end_now(self) -> None:
        """Kill the program, or if it has ended wait for nobody any more."""
        if self.epoch.is_over:
            self.finish()
        else:
            self.epoch.kill()

    def finish(self) -> None:
        """Leave: the program has ended and whoever wanted to know does."""
        self.server.kill()
        self.screens.end_all()
        self.epoch.remove_cgroup(self.state, timeout=5)
        if self.options["rm"]:
            state.remove_container(self.dirs, self.id)
        else:
            state.remove_sockets(self.dirs, self.id)
            self.save(server_pid=None, keeper_pid=None)
        self._finished = True


def _ignore(_number: int, _frame: object) -> None:
    """Do nothing: the wakeup fd has the signal's number."""
