"""The keeper's life: build the box, keep a server running, wait, write the status down, go.

Or build the next one: a container that is started again goes on in a new epoch. It reads no output
and answers no client; its owner's orders come over a socket of their own (``order``), or as
signals: SIGTERM stops the container (the program gets SIGTERM and ten seconds), SIGINT ends it at
once, SIGHUP replaces the server.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any

from ptykeep import asked, event, exits, identity, ordered, past, state
from ptykeep.epoch import Epoch
from ptykeep.failure import explain
from ptykeep.listener import Listener, bind_again, bind_control, bind_orders
from ptykeep.log import log
from ptykeep.order import Orders
from ptykeep.process import exit_status
from ptykeep.protocol import EXIT_DONE, VERSION, receive
from ptykeep.restarts import Restarts
from ptykeep.screens import Screens
from ptykeep.succession import Succession
from ptykeep.summary import summarize
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from ptykeep.execution import Executions
    from ptykeep.server import Server

_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Keeper:
    """One container: its box, its sessions, its listeners and its server."""

    def __init__(self, request: dict[str, Any], server: Server) -> None:
        self.dirs = state.Dirs(request["data"], request["run"])
        self.id: str = request["container"]
        self.directory = state.container_dir(self.dirs, self.id)
        self.spec = state.read_json(f"{self.directory}/config.json")
        self.options: dict[str, Any] = json.loads(self.spec["annotations"][state.OPTIONS])
        self.listeners: list[Listener] = []
        self.server = server
        self.uid = identity.server_uid(self.spec)
        self.screens = Screens(server.path, self.directory, self.uid)
        self.executions: Executions
        self.orders: Orders
        policy: dict[str, Any] = self.options.get("restart") or {"name": "no", "most": 0}
        self.next = Succession(Restarts(policy["name"], policy["most"]))
        self.size: tuple[int, int] | None = None
        """Of the terminal at the start of the next epoch; None for what is written down."""
        self._past = past.read(self.directory)
        before = self._past or {}
        self.foreground: bool = request.get("foreground", bool(self.options.get("foreground")))
        if size := request.get("size"):
            self.size = (size[0], size[1])
        self.state: dict[str, Any] = {
            "format": 1,
            "id": self.id,
            "name": before.get("name", self.options["name"]),
            "status": "created",
            "keeper_pid": os.getpid(),
            "created": before.get("created", time.time()),
            "epoch": before.get("epoch", 0) + 1,
            "summary": summarize(self.spec, self.options),
        }
        self.epoch = self._make_epoch(self.state["epoch"])
        self._dirty = False
        self._finished = False
        self._wakeup = self._catch_signals()

    def _make_epoch(self, number: int) -> Epoch:
        if self.size is not None:
            rows, cols = self.size
            self.spec["process"]["consoleSize"] = {"height": rows, "width": cols}
        return Epoch(number, self.spec, self.options, self.directory)

    def _catch_signals(self) -> int:
        """Make signals readable: poll(2) then waits for them and for sockets alike."""
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in _SIGNALS:
            signal.signal(number, _ignore)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        return reading

    # Start

    def start(self) -> None:
        """Bind, build, run; raise OSError or LaunchFailed, and all is as it was before."""
        try:
            if self._past is not None:
                past.clear(self.dirs, self.id)
            exits.prepare(self.directory)
            self._bind()
            identity.give(self.directory, self.uid)
            self.server.serve(self.directory)  # it takes a while, in which the box is built
            self._greet()
            from ptykeep.execution import Executions

            self.executions = Executions(
                self.directory, self.spec, send=self.server.send, changed=self._note_sessions
            )
            epoch = self.epoch
            epoch.build(self.save, foreground=self.foreground)
            epoch.adopt()
            self._announce()
            epoch.connect(self._network_place, self.state)
            assert epoch.box is not None
            self.save(init_pid=epoch.box.init_pid, pid=epoch.box.pid)
            epoch.start()
            self.save(status="running", started=time.time())
        except Exception as error:
            self._abandon(error)
            raise

    @property
    def _network_place(self) -> str:
        return f"{state.socket_dir(self.dirs, self.id)}/network"

    def _bind(self) -> None:
        folder = state.socket_dir(self.dirs, self.id)
        for wanted in self.options["listen"]:
            self.listeners.append(bind_again(wanted, past.port(self._past, wanted["dialect"])))
        self.listeners.append(bind_control(folder))
        self.orders = Orders(bind_orders(folder))
        self.state["listeners"] = [
            {**listener.describe(), "tls": listener.dialect == "ptyd.v1" and self.options["tls"]}
            for listener in self.listeners
        ]

    def _greet(self) -> None:
        """Tell a new server what there is: everything it needs to take over."""
        self.server.greet(
            {
                "type": "hello",
                "version": VERSION,
                "id": self.id,
                "name": self.state["name"],
                "directory": self.directory,
                "owner": os.geteuid(),
                "uid": self.uid,
                "options": self.options,
                "listeners": self.state["listeners"],
            },
            [listener.socket.fileno() for listener in self.listeners],
        )
        if self.epoch.session is not None:
            self._announce()
            self.executions.announce()

    def _announce(self) -> None:
        assert self.epoch.session is not None
        self.server.send(*self.epoch.session.describe())

    def _abandon(self, error: Exception) -> None:
        """Undo a start that failed: a container that was not there before never was."""
        self.server.kill()
        self.screens.end_all()
        self.epoch.abandon()
        if self._past is None:
            state.remove_container(self.dirs, self.id)
        else:
            state.remove_sockets(self.dirs, self.id)
            self.epoch.remove_cgroup(self.state, timeout=5)
            past.restore(self.directory, self._past, self.state, explain(error)["error"])

    def save(self, **fields: Any) -> None:
        """Write state.json; on a full disk remember to try again."""
        before = dict(self.state)
        self.state.update(fields)
        event.note_changes(self.dirs.data, before, self.state)
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
        self._reap()  # who ended before we were told of such things
        while not self._finished:
            poll = select.poll()
            poll.register(self._wakeup, select.POLLIN)
            if self.server.socket is not None:
                poll.register(self.server.socket, select.POLLIN)
            coming, callers = self.executions.filenos(), self.orders.filenos()
            for fd in (*coming, *callers):
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
                elif fd in callers:
                    if order := self.orders.take(fd):
                        ordered.obey(self, *order)
                elif network is not None and network.is_host(fd):
                    self._dirty |= network.on_host_change()
                else:
                    self._on_server()
            self._on_time()

    def _timeout(self) -> float | None:
        """Return milliseconds until something is due, None for never."""
        server = self.server
        each = (self.epoch.kill_at, server.restart_at, server.kill_at, self.next.deadline())
        due = [at for at in each if at]
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
                ordered.stop(self)
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
        if self.next.is_due(now):
            self._begin_next()
        elif self.next.misses_server(now):
            self.server.replace()
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
            elif not self.epoch.is_over and pid == self.epoch.init_pid:
                self._on_exit(exit_status(status))
            else:
                self.screens.on_reaped(pid)
                self.executions.on_reaped(pid, exit_status(status))

    def _on_exit(self, status: int) -> None:
        self.state["oom_killed"] = self.epoch.end(status)
        self.epoch.remove_cgroup(self.state, timeout=0)
        self.conclude(status, time.monotonic() - self.epoch.started)

    def conclude(self, status: int, lasted: float) -> None:
        """Write down how an epoch of ``lasted`` seconds ended, before anybody is told."""
        assert self.epoch.session is not None
        again = self.next.follow(status, lasted)
        self.epoch.session.again = again
        self.save(
            status="restarting" if again else "exited",
            exit_status=status,
            finished=time.time(),
            restarts=self.next.restarts.count,
        )
        if not again:
            exits.note(self.directory, self.epoch.number, status)
        self.server.send({"type": "exited", "session": 0, "status": status, "again": again})

    def _begin_next(self) -> None:
        """Start the program again: a new epoch of the same session, on the same journal."""
        old = self.epoch
        assert old.session is not None
        self.size = self.size or old.session.window()
        old.close_box()
        old.remove_cgroup(self.state, timeout=5)
        epoch = self._make_epoch(old.number + 1)
        try:
            epoch.build(self.save, foreground=self.next.foreground)
            epoch.connect(self._network_place, self.state)
            epoch.start()
        except (OSError, LaunchFailed) as error:
            epoch.abandon()
            self._fail(error)
            return
        self.size = None
        old.session.close()
        epoch.adopt()
        self.epoch = epoch
        assert epoch.box is not None
        self.state.update(init_pid=epoch.box.init_pid, pid=epoch.box.pid, epoch=epoch.number)
        news = {"error": None, "exit_status": None, "ending": None}
        self.save(status="running", started=time.time(), **news)
        self._announce()
        self.next.begin()

    def _fail(self, error: Exception) -> None:
        """There is no next epoch: that is the status, and a policy may try again."""
        said = explain(error)
        log(f"the program was not started again: {said['error']}")
        if self.next.is_ordered:
            self.next.give_up(said["error"], said["exit_code"])
        self.state["error"] = said["error"]
        self.conclude(said["exit_code"], 0.0)

    def _on_server_exit(self, code: int) -> None:
        self.server.on_reaped()
        self.screens.end_all()
        if self.epoch.is_over and code == EXIT_DONE:
            self.next.is_written = True  # or it would not have gone
        if self.epoch.is_over and code == EXIT_DONE and self.next.at is None:
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

    @property
    def paused(self) -> bool:
        return bool(self.state["status"] == "paused")

    # End

    def end_now(self) -> None:
        """Kill the program, or if it has ended wait for nobody any more."""
        if self.epoch.is_over:
            self.finish()
        else:
            self.next.give_up(f"{self.state['name']} was killed meanwhile")
            self.epoch.kill()

    def finish(self) -> None:
        """Leave: the program has ended and whoever wanted to know does."""
        self.server.kill()
        self.screens.end_all()
        if self.next.at is not None:
            ordered.stop(self)
        self.epoch.remove_cgroup(self.state, timeout=5)
        if self.options["rm"]:
            state.remove_container(self.dirs, self.id)
        else:
            state.remove_sockets(self.dirs, self.id)
            self.save(server_pid=None, keeper_pid=None)
        self._finished = True


def _ignore(_number: int, _frame: object) -> None:
    """Do nothing: the wakeup fd has the signal's number."""
