"""A new filesystem without a place, by fsopen(2), fsconfig(2) and fsmount(2) (Linux 5.2)."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Final

from ptylaunch.syscall import call

if TYPE_CHECKING:
    from collections.abc import Mapping

_NR_FSOPEN: Final = 430
_NR_FSCONFIG: Final = 431
_NR_FSMOUNT: Final = 432
_CLOEXEC: Final = 1  # of fsopen(2) and fsmount(2) alike
_FSCONFIG_SET_FLAG: Final = 0
_FSCONFIG_SET_STRING: Final = 1
_FSCONFIG_CMD_CREATE: Final = 6


def new_mount(kind: str, options: Mapping[str, str | None], attrs: int) -> int:
    """Return the fd of a new filesystem that is mounted nowhere yet (fsopen(2), fsmount(2)).

    For :func:`move_mount`, which unlike mount(2) takes a target that one may not enter. An option
    that is None has no value. An OSError has what the kernel says of it as its file name.
    """
    context = call(_NR_FSOPEN, ctypes.c_char_p(kind.encode()), ctypes.c_long(_CLOEXEC))
    try:
        for key, value in options.items():
            if value is None:
                _fsconfig(context, _FSCONFIG_SET_FLAG, key.encode(), None)
            else:
                _fsconfig(context, _FSCONFIG_SET_STRING, key.encode(), os.fsencode(value))
        _fsconfig(context, _FSCONFIG_CMD_CREATE, None, None)
        return call(
            _NR_FSMOUNT, ctypes.c_long(context), ctypes.c_long(_CLOEXEC), ctypes.c_long(attrs)
        )
    except OSError as error:
        error.filename = _complaint(context)
        raise
    finally:
        os.close(context)


def _complaint(context: int) -> str | None:
    """Return the last line that the filesystem wrote about its options, if it did (fsopen(2))."""
    line = b""
    try:
        while message := os.read(context, 512):
            line = message
    except OSError:
        pass  # ENODATA: no more
    return line[2:].decode("utf-8", "replace").strip() or None


def _fsconfig(context: int, command: int, key: bytes | None, value: bytes | None) -> None:
    call(
        _NR_FSCONFIG,
        ctypes.c_long(context),
        ctypes.c_long(command),
        ctypes.c_char_p(key),
        ctypes.c_char_p(value),
        ctypes.c_long(0),
    )
