"""A program's pipes, given to its user from outside, where alone that can be done."""

from __future__ import annotations

import os
import stat


def give_pipes(stdio: tuple[int, int, int] | None, uid: int | None, gid: int | None) -> None:
    """Make pipes the program user's own, so that it can open /dev/stdout again (fifo(7), mode 600).

    ``uid`` and ``gid`` are the host's, None when the box's has no such. Only the host can: our id
    is not one of the box's.
    """
    if uid is None or gid is None or os.geteuid() != 0:
        return
    for fd in stdio or ():
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.fchown(fd, uid, gid)
