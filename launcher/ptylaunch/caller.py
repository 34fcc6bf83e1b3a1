"""What a command has from its caller and gives to it: descriptors, the terminal, signals."""

from __future__ import annotations

import errno
import os
import signal
import socket
from typing import TYPE_CHECKING, Final

from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from types import FrameType

_PASSED_ON: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


def count_listen_fds() -> int:
    """Return how many sockets systemd has opened for the container (sd_listen_fds(3))."""
    count = os.environ.get("LISTEN_FDS", "")
    ours = os.environ.get("LISTEN_PID", str(os.getpid())) == str(os.getpid())
    return int(count) if ours and count.isdecimal() and len(count) <= 4 else 0


def find_preserved(count: int) -> frozenset[int]:
    """Return those of the first ``count`` fds from 3 on that the caller has opened.

    To be asked first of all: a number that is not in use would become that of one of ours.
    """
    return frozenset(filter(_is_open, range(3, 3 + count)))


def hand_over(pty_fd: int | None, path: str | None, *, stay: bool) -> None:
    """Send the terminal as runc does: one message, the name of the node and one fd.

    Without a socket somebody has to ``stay`` and hold it.
    """
    if (pty_fd is None) != (path is None) and not (stay and path is None):
        detail = (
            "--console-socket wants process.terminal" if path
            else "process.terminal is true: --console-socket is needed"
        )  # fmt: skip
        raise LaunchFailed("spec", errno.EINVAL, detail)
    if pty_fd is None or path is None:
        return
    # It is the receiver's now, who expects to get it as open(2) gives it.
    os.set_blocking(pty_fd, True)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.connect(path)
            socket.send_fds(sock, [b"/dev/ptmx"], [pty_fd])
    except OSError as error:
        raise LaunchFailed("console socket", error.errno or errno.EIO, path) from error


def pass_signals_on(pid: int) -> None:
    """Send what we are sent to the process from here on."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return  # killed already; waiting for it tells

    def pass_on(number: int, _frame: FrameType | None) -> None:
        try:
            signal.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            return

    for number in _PASSED_ON:
        signal.signal(number, pass_on)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
