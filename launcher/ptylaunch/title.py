"""What a process is called: nothing of the host's paths, as everybody in the box may read it."""

from __future__ import annotations

import ctypes
import os
from typing import Final

from ptylaunch import syscall as sc

_ARG_START: Final = 48 - 3  # proc_pid_stat(5), from the third field on
_ARG_END: Final = 49 - 3

_room: list[int] = []


def find_room() -> None:
    """Look up where the arguments lie that we were started with: it is the same in every fork."""
    fd = os.open("/proc/self/stat", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fields = os.read(fd, 4096).rpartition(b")")[2].split()
    finally:
        os.close(fd)
    _room[:] = int(fields[_ARG_START]), int(fields[_ARG_END])


def set_command_line(text: str) -> None:
    """Set what /proc/PID/cmdline says, as far as those arguments have room.

    That file shows our memory. Where the last byte of the arguments is no NUL the kernel shows one
    string instead of all of them (get_mm_ctitle in fs/proc/base.c, made for setproctitle(3)).
    """
    if not _room:
        find_room()
    start, end = _room
    shown = text.encode()[: max(0, end - start - 2)]
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, shown, len(shown))
    ctypes.memset(end - 1, 1, 1)


def set_name(text: str) -> None:
    """Set what ``ps`` calls this process, at most 15 bytes."""
    name = ctypes.create_string_buffer(text.encode())
    sc.prctl(sc.PR_SET_NAME, ctypes.addressof(name))
