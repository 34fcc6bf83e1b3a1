"""What verbs read of a container: its files, without asking anybody."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptycli.failure import Failure, meant
from ptykeep import lock, state
from ptykeep.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Callable


HELD_WITHIN: Final = 10.0
"""Seconds that another verb may be at a container's files, as one that removes it."""
_PAUSE: Final = 0.02
RUNNING: Final = ("running", "paused")
"""Statuses of containers with a program."""


class Container(NamedTuple):
    """A container's folder and what its files say."""

    dirs: state.Dirs
    id: str
    directory: str

    @property
    def options(self) -> dict[str, Any]:
        spec = state.read_json(f"{self.directory}/config.json")
        options: dict[str, Any] = json.loads(spec["annotations"][state.OPTIONS])
        return options

    @property
    def spec(self) -> dict[str, Any]:
        return state.read_json(f"{self.directory}/config.json")

    @property
    def spec_or_empty(self) -> dict[str, Any]:
        """Return the spec; nothing of one that is half-written, or being removed."""
        try:
            return self.spec
        except (OSError, ValueError):
            return {}

    def summary(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return what listings show: from its state, or if that has none yet from its spec."""
        found: dict[str, Any] | None = fields.get("summary")
        if found is None:
            try:
                found = summarize(self.spec, self.options)
            except (OSError, ValueError, KeyError):
                found = {"args": ["?"], "image": "?", "labels": {}}
        return found

    @property
    def control(self) -> str:
        return f"{state.socket_dir(self.dirs, self.id)}/control.sock"

    @property
    def keeper_pid(self) -> int | None:
        return lock.keeper_pid(self.directory)

    def read_state(self) -> dict[str, Any]:
        """Return state.json, its status corrected by whether there is a keeper.

        A container whose keeper died without writing an end is exited, its status unknown. One
        that was created has none yet.
        """
        try:
            fields = state.read_json(f"{self.directory}/state.json")
        except (OSError, ValueError):
            name = state.name_of(self.dirs, self.id)
            fields = {"id": self.id, "name": name, "status": "created"}
        waits = fields["status"] == "created" and "created" in fields and not fields.get("epoch")
        if fields["status"] != "exited" and self.keeper_pid is None and not waits:
            # One that was restarting has ended, as is written down.
            known = fields.get("exit_status") if fields["status"] == "restarting" else None
            fields |= {"status": "exited", "exit_status": known, "pid": None}
        return fields


def find(reference: str) -> Container:
    """Return the container that a name, an id or a prefix of one means; raise Failure."""
    dirs = state.directories()
    try:
        found = state.resolve(dirs, reference)
    except state.NotFound as error:
        close = meant(reference, names(dirs)) if str(error).startswith("no such") else ""
        raise Failure(f"{error}{close}") from None
    directory = state.container_dir(dirs, found)
    if not os.path.isdir(directory):
        raise Failure(f"no such container: {reference}")
    return Container(dirs, found, directory)


def names(dirs: state.Dirs) -> list[str]:
    """Return all names that are taken."""
    try:
        return sorted(os.listdir(f"{dirs.data}/names"))
    except OSError:
        return []


def every() -> list[Container]:
    dirs = state.directories()
    return [Container(dirs, i, state.container_dir(dirs, i)) for i in state.list_containers(dirs)]


def signal_keeper(container: Container, number: int) -> bool:
    """Send a signal to the keeper; return whether there is one."""
    return _signal(lambda: container.keeper_pid, number)


def signal_program(container: Container, number: int) -> bool:
    """Send a signal to the container's program; return whether it runs."""

    def pid() -> int | None:
        fields = container.read_state()
        found: int | None = fields.get("pid") if fields["status"] in RUNNING else None
        return found

    return _signal(pid, number)


def _signal(read_pid: Callable[[], int | None], number: int) -> bool:
    pid = read_pid()
    if pid is None:
        return False
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if read_pid() == pid:  # else it ended between the two, and the pid is another's
            signal.pidfd_send_signal(fd, number)
            return True
        return False
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)


def wait_for_keeper(container: Container, timeout: float) -> bool:
    """Wait until the keeper is gone; return False after ``timeout`` seconds."""
    fd = open_keeper(container)
    if fd is None:
        return True
    try:
        return wait_for_end(fd, timeout)
    finally:
        os.close(fd)


def open_keeper(container: Container) -> int | None:
    """Return a pidfd of the keeper; None when there is none, or it removes the container."""
    pid = container.keeper_pid
    try:
        return None if pid is None else os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def wait_for_end(pidfd: int, timeout: float) -> bool:
    """Wait until a process is gone; return False after ``timeout`` seconds."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


def hold(container: Container) -> int:
    """Keep keepers away from its files, as :func:`lock.hold`; others who do so are waited for."""
    deadline = time.monotonic() + HELD_WITHIN
    while True:
        try:
            return lock.hold(container.directory)
        except BlockingIOError:
            if container.keeper_pid is not None or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)


WRITTEN_WITHIN: Final = 0.5
"""Seconds in which a keeper has written down that its program has ended."""


def wait_for_exit(container: Container, timeout: float | None) -> bool:
    """Wait until the program has ended; return False after ``timeout`` seconds, None for never.

    The program's pid is not our child: a pidfd tells when it is gone, state.json when that is
    written down.
    """
    alive_at = time.monotonic()
    deadline = float("inf") if timeout is None else alive_at + timeout
    while (fields := container.read_state())["status"] != "exited":
        now = time.monotonic()
        if fields["status"] not in RUNNING or os.path.exists(f"/proc/{fields['init_pid']}"):
            alive_at = now
        elif now - alive_at > WRITTEN_WITHIN:
            return True  # its keeper cannot write that down: the disk is full
        if now > deadline:
            return False
        wait_for_keeper(container, 0.02)
    return True
