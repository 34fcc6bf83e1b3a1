"""A container's lock: its keeper's for life, and a verb's while it changes files without one.

A record lock, not flock(2): it is not inherited by fork, and F_GETLK names its holder. It must be
opened once only by who has it: closing any other fd of the file would release it (fcntl(2)).
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from typing import Final

_FLOCK: Final = struct.Struct("hhqqi4x")  # struct flock of fcntl(2) on 64-bit Linux
_NOW: Final = fcntl.LOCK_EX | fcntl.LOCK_NB
_HELD: Final = 5.0
"""Seconds for which a keeper waits for a verb that is at the files; it takes milliseconds."""
_PAUSE: Final = 0.01


def take(directory: str) -> int:
    """Take the keeper's lock and return its fd, to be held for life.

    The first byte names the keeper; the others are all that :func:`hold` takes, for whose end we
    wait. Raise BlockingIOError while there is another keeper.
    """
    fd = _open(directory)
    deadline = time.monotonic() + _HELD
    try:
        try:
            fcntl.lockf(fd, _NOW, 1)
        except BlockingIOError:
            raise BlockingIOError(errno.EAGAIN, "somebody else has just started it") from None
        while True:
            try:
                fcntl.lockf(fd, _NOW, 0, 1)
                return fd
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE)
    except OSError:
        os.close(fd)
        raise


def hold(directory: str) -> int:
    """Keep keepers away for a moment, as a verb that changes files; return what to :func:`let_go`.

    Nobody takes us for a keeper meanwhile. Raise BlockingIOError while there is one, or somebody
    else who holds it.
    """
    fd = _open(directory)
    try:
        fcntl.lockf(fd, _NOW, 0, 1)
        if _keeper_of(fd) is not None:  # it has come, and waits for us
            raise BlockingIOError(errno.EAGAIN, "there is a keeper")
    except OSError:
        os.close(fd)
        raise
    return fd


def let_go(held: int) -> None:
    os.close(held)


def _open(directory: str) -> int:
    return os.open(f"{directory}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def keeper_pid(directory: str) -> int | None:
    """Return the pid of the container's keeper, or None when it has none."""
    try:
        fd = os.open(f"{directory}/lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return _keeper_of(fd)
    finally:
        os.close(fd)


def _keeper_of(fd: int) -> int | None:
    """Return who has the first byte of the lock, whose descriptor is given."""
    question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
    answer = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, question))
    return None if answer[0] == fcntl.F_UNLCK else answer[4]
