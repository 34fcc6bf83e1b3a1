"""Acts on all processes of a box's cgroup at once: holds them, lets them go, kills them.

v2's freezer is taken where there is a choice: what it holds can still be killed, and the kernel
tells when all are held. v1's has no event, and what it holds dies only once it is let go.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Final

from ptylaunch.errors import LaunchFailed
from ptylaunch.hierarchy import read_or, read_text, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ptylaunch.placement import Cgroup

_PATIENCE: Final = 10.0
"""Seconds that all processes may take to stop: one in the middle of slow I/O does not, yet."""
_LOOK_AGAIN: Final = 1
"""Milliseconds between two looks at v1's freezer.state, for which there is no event."""


def pause(cgroup: Cgroup, timeout: float = _PATIENCE) -> None:
    """Stop every process where it is; LaunchFailed("pause", …), and all of them run."""
    try:
        held = _set(cgroup, "pause", hold=True, timeout=timeout)
    except OSError as error:
        raise LaunchFailed("pause", error.errno or errno.EIO, error.filename or "") from error
    if not held:
        resume(cgroup)
        raise LaunchFailed("pause", errno.ETIMEDOUT, "a process does not stop")


def resume(cgroup: Cgroup, timeout: float = _PATIENCE) -> None:
    """Let every process go on; LaunchFailed("resume", …). One that runs stays as it is."""
    try:
        if not _set(cgroup, "resume", hold=False, timeout=timeout):
            raise LaunchFailed("resume", errno.ETIMEDOUT)
    except OSError as error:
        raise LaunchFailed("resume", error.errno or errno.EIO, error.filename or "") from error


def is_paused(cgroup: Cgroup) -> bool:
    """Tell whether the box is held, or about to be."""
    if _holds_by_v2(cgroup):
        return read_or(f"{cgroup.unified}/cgroup.freeze") == "1"
    state = _v1_state(cgroup)
    return bool(state) and read_or(state, "THAWED") != "THAWED"


def frozen_folder(cgroup: Cgroup) -> str:
    """Return the folder in which what enters is held, by itself or by one above; empty if none."""
    if cgroup.unified and "frozen 1" in read_or(f"{cgroup.unified}/cgroup.events"):
        return cgroup.unified
    state = _v1_state(cgroup)
    return os.path.dirname(state) if state and read_or(state, "THAWED") != "THAWED" else ""


def kill_all(cgroup: Cgroup) -> None:
    """Send SIGKILL to every process, held ones included; wait for none of them.

    Does what can be done: whether any is left :func:`wait_until_empty` tells.
    """
    state = _v1_state(cgroup)
    try:
        if not (cgroup.unified and _try_write(f"{cgroup.unified}/cgroup.kill", "1")):  # Linux 5.14
            if state:  # held, none can fork between our look and the signal
                _set_v1(state, hold=True, timeout=0.1)
            for pid in processes(cgroup):
                _kill(pid)
    except OSError:
        pass  # it was removed meanwhile
    if state and read_or(state, "THAWED") != "THAWED":
        _try_write(state, "THAWED")


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has just ended


def _try_write(path: str, value: str) -> bool:
    try:
        write_text(path, value)
    except OSError:
        return False
    return True


def processes(cgroup: Cgroup) -> list[int]:
    """Return the pids of all processes in it and below it."""
    folder = next(filter(os.path.isdir, cgroup.folders), "")
    texts = [read_or(f"{path}/cgroup.procs") for path in _tree(folder)] if folder else []
    # 0 is a process that our pid namespace has no number for.
    return [int(pid) for text in texts for pid in text.split() if pid != "0"]


def wait_until_empty(cgroup: Cgroup, timeout: float) -> bool:
    """Wait until no process is left; return whether that is so."""
    deadline = time.monotonic() + timeout
    if cgroup.unified:
        return _wait_for(f"{cgroup.unified}/cgroup.events", "populated 0", deadline)
    while pids := processes(cgroup):
        if not _wait_for_end(pids[0], deadline):
            return False
    return True


def _tree(folder: str) -> Iterator[str]:
    yield folder
    try:
        with os.scandir(folder) as entries:
            inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for path in inner:
        yield from _tree(path)


def _holds_by_v2(cgroup: Cgroup) -> bool:
    return bool(cgroup.unified) and os.path.exists(f"{cgroup.unified}/cgroup.freeze")


def _v1_state(cgroup: Cgroup) -> str:
    folder = cgroup.v1_folder("freezer")
    return f"{folder}/freezer.state" if folder else ""


def _set(cgroup: Cgroup, stage: str, *, hold: bool, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    if _holds_by_v2(cgroup):
        write_text(f"{cgroup.unified}/cgroup.freeze", str(int(hold)))
        line = f"frozen {int(hold)}"
        return _wait_for(f"{cgroup.unified}/cgroup.events", line, deadline)
    state = _v1_state(cgroup)
    if not state:
        raise LaunchFailed(stage, errno.ENOTSUP, "the box has no cgroup of its own")
    return _set_v1(state, hold=hold, timeout=timeout)


def _set_v1(path: str, *, hold: bool, timeout: float) -> bool:
    """Write v1's state and wait for it; a read of FREEZING makes the kernel look again."""
    wanted = "FROZEN" if hold else "THAWED"
    deadline = time.monotonic() + timeout
    write_text(path, wanted)
    while read_text(path).strip() != wanted:
        if time.monotonic() >= deadline:
            return False
        select.poll().poll(_LOOK_AGAIN)
        write_text(path, wanted)  # a process that was forked meanwhile is not caught by the first
    return True


def _wait_for(path: str, line: str, deadline: float) -> bool:
    """Wait until a line stands in ``cgroup.events``, of whose changes poll(2) tells (cgroups(7)).

    False when it does not come in time; a cgroup that is gone has seen everything.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLPRI)
        while True:
            # The read arms the poll: what changes after it wakes us.
            if line.encode() in os.pread(fd, 4096, 0).splitlines():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            poll.poll(left * 1000 + 1)
    except OSError as error:
        if error.errno == errno.ENODEV:  # removed while we had it open
            return True
        raise
    finally:
        os.close(fd)


def _wait_for_end(pid: int, deadline: float) -> bool:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        left = max(0.0, deadline - time.monotonic())
        return bool(select.select([fd], [], [], left)[0])
    finally:
        os.close(fd)
