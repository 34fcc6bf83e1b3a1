"""Ends the box of another runtime when its keeper is killed.

A box of ours has an init with a lifetime pipe. In that of a runtime the program is pid 1, and the
kernel tells it nothing of its keeper's end; so a process beside it waits, with a pipe of the same
kind. What it leaves, the runtime's own files, the next ``ptyd ps`` or ``rm`` has removed.
"""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING, Final, NoReturn

from ptylaunch.child import FAILED, forget_caller, keep_only
from ptylaunch.freezer import kill_all

if TYPE_CHECKING:
    from ptylaunch.placement import Cgroup

_NAME: Final = "ptyd-watcher"


def watch(pid: int, cgroup: Cgroup) -> int:
    """Start a watcher of our child ``pid``, a box's pid 1; return what holds it back until closed.

    It ends by itself when the box does.
    """
    held, hold = os.pipe2(os.O_CLOEXEC)
    try:
        pidfd = os.pidfd_open(pid)
        try:
            if os.fork() == 0:
                os.close(hold)
                _be_watcher(held, pidfd, cgroup)
        finally:
            os.close(pidfd)
    except BaseException:
        os.close(hold)
        raise
    finally:
        os.close(held)
    return hold


def _be_watcher(held: int, pidfd: int, cgroup: Cgroup) -> NoReturn:
    try:
        os.setsid()
        forget_caller(_NAME)
        keep_only((held, pidfd))
        ended = select.select([held, pidfd], [], [])[0]
        if pidfd not in ended:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)  # with pid 1 all of its namespace
            kill_all(cgroup)  # what v1's freezer holds does not die of a signal alone
    finally:
        os._exit(FAILED)
