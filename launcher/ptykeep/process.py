"""Other processes, by their pid: what they ignore, whose they are, how they are signalled."""

from __future__ import annotations

import os
import signal
from typing import Final

from ptykeep.log import log

UNFORWARDED: Final = frozenset(
    {
        signal.SIGSTOP,
        signal.SIGCHLD,
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGSYS,
        signal.SIGTRAP,
        signal.SIGABRT,
    }
)
"""Signals that pid 1 of a box cannot pass on (ptylaunch.init)."""


def exit_status(wait_status: int) -> int:
    """Return the shell's number for what waitpid(2) says: 128 + signal when one killed it."""
    code = os.waitstatus_to_exitcode(wait_status)
    return 128 - code if code < 0 else code


def ignores(pid: int, number: int) -> bool:
    """Tell whether a process ignores a signal (proc(5): SigIgn)."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith(b"SigIgn:"):
                    return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    except OSError:
        pass
    return False


def parent_of(pid: int) -> int:
    """Return the pid of a process's parent, 0 when it is gone (proc(5))."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def signal_child(pid: int, number: int) -> None:
    """Signal a child of ours, which may have become somebody that we must not signal."""
    try:
        os.kill(pid, number)
    except PermissionError:
        log(f"signal {number} to process {pid}: it is another user's")


def signal_child_of(parent: int, pid: int, number: int) -> None:
    """Signal a process that is no child of ours, if it is still that of ``parent``."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return  # it has ended, and its parent is about to
    try:
        # Nobody else may have got its pid meanwhile.
        if parent_of(pid) == parent:
            signal.pidfd_send_signal(fd, number)
    except OSError:
        pass
    finally:
        os.close(fd)
