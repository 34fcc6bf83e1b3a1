"""Waiting for a condition, woken by descriptors: no test sleeps, none waits for ever."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 40.0
"""Seconds: far longer than anything takes, so that only what never happens fails."""
_LOOK_AGAIN = 10
"""Milliseconds until a condition that no descriptor announces is looked at again."""


def wait_until(
    condition: Callable[[], object], *fds: int, within: float = PATIENCE, what: str = ""
) -> None:
    """Wait until ``condition`` is true; look at it whenever one of ``fds`` has something to say."""
    deadline = time.monotonic() + within
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true in {within} s: {what}"
        poll.poll(_LOOK_AGAIN)


def wait_for_end(pid: int, within: float = PATIENCE) -> None:
    """Wait until a process has ended, whoever its parent is (pidfd_open(2))."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], within)[0], f"process {pid} did not end in {within} s"
    finally:
        os.close(fd)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):
        return False
