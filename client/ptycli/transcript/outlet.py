"""Standard output and error; what needs no change goes there by sendfile(2), if it may."""

from __future__ import annotations

import errno
import fcntl
import os
import select
from typing import Final

_CHUNK: Final = 1 << 20
_PIPE: Final = 1 << 18
"""Bytes that a pipe is made to hold, four times what it has (pipe(7)): a tenth less time."""
_NO_SENDFILE: Final = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ESPIPE)
"""A terminal before Linux 5.12, a file opened with O_APPEND, and the like."""


class Outlet:
    """Where a session's output goes; raises OSError, BrokenPipeError among them."""

    def __init__(self) -> None:
        self._refuses: set[int] = set()
        self._widened: set[int] = set()

    def copy(self, fd: int, file_fd: int, position: int, size: int) -> int:
        """Copy bytes of a file to ``fd``; return how many, fewer where the file ends."""
        if size > _PIPE and fd not in self._widened:
            self._widened.add(fd)
            _widen(fd)
        done = 0
        while done < size and fd not in self._refuses:
            try:
                count = os.sendfile(fd, file_fd, position + done, size - done)
            except BlockingIOError:
                _wait_for_room(fd)
                continue
            except OSError as error:
                if error.errno not in _NO_SENDFILE:
                    raise
                self._refuses.add(fd)
                break
            if not count:
                return done
            done += count
        while done < size:
            data = os.pread(file_fd, min(_CHUNK, size - done), position + done)
            if not data:
                break
            self.write(fd, data)
            done += len(data)
        return done

    def write(self, fd: int, data: bytes) -> None:
        """Write all of it, also to a descriptor that somebody else has made non-blocking."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                _wait_for_room(fd)


def _widen(fd: int) -> None:
    try:
        if fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) < _PIPE:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE)
    except OSError:
        return  # no pipe, or its user has many large ones already


def _wait_for_room(fd: int) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll()
