"""A process of this host, known by its pid and by when it started.

A pid alone may be somebody else's by now. With the start time beside it and a pidfd opened before
the two are compared, a signal cannot reach a stranger (pidfd_open(2)).
"""

from __future__ import annotations

import os
import select
import signal
from typing import NamedTuple


class Process(NamedTuple):
    """``started`` is in clock ticks since the boot: field 22 of /proc/PID/stat (proc(5))."""

    pid: int
    started: int


def identify(pid: int) -> Process:
    """Return the process that has ``pid`` now; raise ProcessLookupError when there is none."""
    return Process(pid, _stat(pid)[1])


def open_process(process: Process) -> int | None:
    """Return a pidfd of it, or None when it has ended: a zombie has."""
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    try:
        state, started = _stat(process.pid)
    except ProcessLookupError:
        state, started = "X", process.started
    if state in "ZX" or started != process.started:
        os.close(fd)
        return None
    return fd


def is_alive(process: Process) -> bool:
    fd = open_process(process)
    if fd is None:
        return False
    os.close(fd)
    return True


def send_signal(process: Process, number: int) -> bool:
    """Send a signal; False when the process has ended."""
    fd = open_process(process)
    if fd is None:
        return False
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def wait_for_end(process: Process, timeout: float) -> bool:
    """Wait at most ``timeout`` seconds for its end, whoever its parent is."""
    fd = open_process(process)
    if fd is None:
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))
    finally:
        os.close(fd)


def members(process: Process) -> list[Process]:
    """Return a container's first process and all that live with it, by pid.

    With a pid namespace of its own that is everybody in it, else all descendants. A process that is
    just starting can be missed: who wants all of them dead looks again.
    """
    everybody = {int(name) for name in os.listdir("/proc") if name.isdecimal()}
    theirs = _namespace(process.pid)
    if theirs is not None and theirs != _namespace(os.getpid()):
        found = {pid for pid in everybody if _namespace(pid) == theirs}
    else:
        parents = {pid: _parent(pid) for pid in everybody}
        found = {process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
    return [process] + [
        identified for pid in sorted(found - {process.pid}) if (identified := _identified(pid))
    ]


def _identified(pid: int) -> Process | None:
    try:
        return identify(pid)
    except ProcessLookupError:
        return None


def _namespace(pid: int) -> str | None:
    """Return a name for its pid namespace; None when it is gone or not ours to see (ptrace(2))."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def _parent(pid: int) -> int:
    try:
        return int(_fields(pid)[1])
    except ProcessLookupError:
        return 0


def _stat(pid: int) -> tuple[str, int]:
    """Return the state's letter and the start time."""
    fields = _fields(pid)
    return fields[0].decode(), int(fields[19])


def _fields(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat from the third on."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field is the name, in parentheses, and may hold anything.
            return file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(pid) from None
