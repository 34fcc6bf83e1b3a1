"""Waiting for a child that is known by its pid."""

from __future__ import annotations

import os


def reap(pid: int) -> None:
    """Wait for the end of a child of ours; -1 is nobody."""
    try:
        if pid > 0:
            os.waitpid(pid, 0)
    except ChildProcessError:
        return  # the caller's own SIGCHLD handling was faster
