"""Waiting for a journal to grow, by inotify(7), without asking its server.

Only a hint: before Linux 6.5 splice(2) into a file announces nothing (but the index record before
it is written), and there may be no watch left. So a wait is never longer than ``LOOK_AGAIN``.
"""

from __future__ import annotations

import ctypes
import os
import select
from typing import Final

LOOK_AGAIN: Final = 0.25
"""Seconds after which one looks though nothing was announced."""

_IN_MODIFY: Final = 0x2
_IN_CREATE: Final = 0x100
_IN_DELETE_SELF: Final = 0x400


class Watch:
    """A folder that is watched."""

    def __init__(self, folder: str) -> None:
        self._poll = select.poll()
        self._fd = _watch(folder)
        if self._fd >= 0:
            self._poll.register(self._fd, select.POLLIN)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def watch_reader(self, fd: int) -> None:
        """End a wait also when nobody reads what we write to ``fd`` any more (POLLERR)."""
        self._poll.register(fd, 0)

    def wait(self) -> bool:
        """Wait until something may have changed; tell whether a reader is gone."""
        ready = [fd for fd, _ in self._poll.poll(LOOK_AGAIN * 1000)]
        if self._fd in ready:
            os.read(self._fd, 1 << 16)  # what it says is in the files
            ready.remove(self._fd)
        return bool(ready)


def _watch(folder: str) -> int:
    """Return a descriptor that is readable once something changes in ``folder``, or -1."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0:
        return -1
    mask = _IN_MODIFY | _IN_CREATE | _IN_DELETE_SELF
    if libc.inotify_add_watch(fd, os.fsencode(folder), mask) < 0:
        os.close(fd)
        return -1
    return fd
