"""Dying with whoever started us, for a process that is not yet able to notice it by itself."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_UCRED: Final = struct.Struct("3i")
_FAILED: Final = 1


def die_with(parent: int) -> None:
    """Be killed when the parent dies, whose pid it was that started us.

    Whatever this process is busy with then: importing, or parsing. A parent that was dead before is
    not our parent any more. A change of ids makes the kernel forget it (prctl(2)).
    """
    _set_death_signal(signal.SIGKILL)
    if parent != os.getppid():
        os._exit(_FAILED)


def maker_of(sock: socket.socket) -> int:
    """Return the pid of the process that made a pair of sockets, of which this is one (unix(7))."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid: int = _UCRED.unpack(credentials)[0]
    return pid


def outlive_parent() -> None:
    """End by ourselves, and in order: from here on the parent's death is noticed."""
    _set_death_signal(0)


def _set_death_signal(number: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(number), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(2) refused")
