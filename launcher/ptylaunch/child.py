"""What every child of a build or a join is before it is anything else: a fork that forgets.

A child is a fork of a running Python program, the keeper. What it inherits from there (handlers,
import paths, descriptors, the possibility of a traceback) must not be taken into a box.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from ptylaunch import channel as ch
from ptylaunch import syscall as sc
from ptylaunch import title
from ptylaunch.errors import LaunchFailed, pack_failure

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

FAILED: Final = 125
"""What a child exits with when it could not do its part; why is told on the channel."""


_forgotten: list[object] = []


class Stage:
    """Where a child is, for the report of what it did not foresee."""

    def __init__(self, name: str = "start") -> None:
        self.name = name


def forget_caller(name: str) -> None:
    """Undo what a fork of a running Python program inherits, and be called ``name``."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        # SIGPIPE and SIGXFSZ too, which Python ignores. It knows what it was started with.
        if signal.getsignal(number) != signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
    sc.reset_hidden_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o022)
    # Everybody in the box may read ours: where Python and we lie is the host's business.
    title.set_command_line(name)
    # From here on an import would run a file of the box.
    sys.path[:] = []
    sys.meta_path[:] = []
    sys.path_hooks[:] = []
    # Forgotten, not freed: to free what they know of folders copies half our pages (fork(2)).
    _forgotten.append(sys.path_importer_cache)
    sys.path_importer_cache = {}


def keep_only(fds: Iterable[int]) -> None:
    """Close every descriptor but 0, 1, 2 and ``fds``: what is not there cannot be stolen."""
    first = 3
    for fd in sorted(fd for fd in set(fds) if fd > 2):
        if fd > first:
            sc.close_range(first, fd - 1)
        first = fd + 1
    sc.close_range(first)


def adjust_oom_score(value: int) -> None:
    """Set it; OSError with what was wanted. To lower it wants CAP_SYS_RESOURCE (proc(5))."""
    fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, str(value).encode())
    except PermissionError as error:
        raise LaunchFailed(
            "oom_score_adj", error.errno or errno.EACCES, f"{value}, which wants CAP_SYS_RESOURCE"
        ) from None
    finally:
        os.close(fd)


def report(sock: socket.socket, failure: LaunchFailed) -> None:
    try:
        detail = pack_failure(failure.stage, failure.errno, failure.detail)
        ch.send(sock, ch.FAILED, detail)
    except OSError:
        return  # the caller is gone; so are we
