"""A new filesystem without a place, by fsopen(2), fsconfig(2) and fsmount(2) (Linux 5.2)."""

from __future__ import annotations

import ctypes
import os
from typing import Final

from ptylaunch.syscall import call

_NR_FSOPEN: Final = 430
_NR_FSCONFIG: Final = 431
_NR_FSMOUNT: Final = 432
_CLOEXEC: Final = 1  # of fsopen(2) and fsmount(2) alike
_FSCONFIG_SET_STRING: Final = 1
_FSCONFIG_CMD_CREATE: Final = 6


def new_mount(kind: str, options: dict[str, str], attrs: int) -> int:
    """Return the fd of a new filesystem that is mounted nowhere yet (fsopen(2), fsmount(2)).

    For :func:`move_mount`, which unlike mount(2) takes a target that one may not enter.
    """
    context = call(_NR_FSOPEN, ctypes.c_char_p(kind.encode()), ctypes.c_long(_CLOEXEC))
    try:
        for key, value in options.items():
            _fsconfig(context, _FSCONFIG_SET_STRING, key.encode(), value.encode())
        _fsconfig(context, _FSCONFIG_CMD_CREATE, None, None)
        return call(
            _NR_FSMOUNT, ctypes.c_long(context), ctypes.c_long(_CLOEXEC), ctypes.c_long(attrs)
        )
    finally:
        os.close(context)


def _fsconfig(context: int, command: int, key: bytes | None, value: bytes | None) -> None:
    call(
        _NR_FSCONFIG,
        ctypes.c_long(context),
        ctypes.c_long(command),
        ctypes.c_char_p(key),
        ctypes.c_char_p(value),
        ctypes.c_long(0),
    )
