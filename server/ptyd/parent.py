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


def die_with_parent(sock: socket.socket) -> None:
    """Be killed when the parent dies; ``sock`` is the end of a pair that it made (unix(7)).

    Whatever this process is busy with then: importing, or parsing. A parent that was dead before is
    not our parent any more, which the pid in the socket's credentials tells (prctl(2)).
    """
    _set_death_signal(signal.SIGKILL)
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    if _UCRED.unpack(credentials)[0] != os.getppid():
        os._exit(_FAILED)


def outlive_parent() -> None:
    """End by ourselves, and in order: from here on the parent's death is noticed."""
    _set_death_signal(0)


def _set_death_signal(number: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(number), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(2) refused")
