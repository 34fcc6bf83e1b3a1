"""Landlock: a process that looks at hostile bytes gives up whatever it has no use for, for good.

It needs no privilege (landlock(7)), so it holds for an ordinary user's processes, too, which no
other user id protects their owner from. Where the kernel has none, or an early one, less is given
up: nothing here makes a promise by itself.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

from ptylaunch import syscall as sc

_NR_CREATE_RULESET: Final = 444  # these three are the same on every architecture
_NR_ADD_RULE: Final = 445
_NR_RESTRICT_SELF: Final = 446
_CREATE_RULESET_VERSION: Final = 1
_RULE_PATH_BENEATH: Final = 1

# See linux/landlock.h: what may be done to files.
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_REMOVE_DIR: Final = 1 << 4
_REMOVE_FILE: Final = 1 << 5
_MAKE_DIR: Final = 1 << 7
_MAKE_REG: Final = 1 << 8
_REFER: Final = 1 << 13
_TRUNCATE: Final = 1 << 14

_READ: Final = _READ_FILE | _READ_DIR
_KEEP: Final = (
    _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
)
_FILES: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All that a version of the interface knows, and those after it up to the next here."""
_TCP_SINCE: Final = 4
_TCP: Final = 0b11  # bind(2) and connect(2)
_SCOPES_SINCE: Final = 6
_SCOPES: Final = 0b11  # abstract unix sockets, and signals, to anybody who is not so enclosed


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr: what is forbidden but for the rules."""

    _fields_ = (
        ("files", ctypes.c_uint64),
        ("tcp", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def version() -> int:
    """Return the version of the kernel's interface, 0 where there is none."""
    try:
        return sc.call(
            _NR_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_CREATE_RULESET_VERSION)
        )
    except OSError:  # ENOSYS, EOPNOTSUPP: not built in, or switched off
        return 0


def enclose(readable: str, writable: str) -> int:
    """Leave this thread the files below ``readable`` to read and those below ``writable`` to keep.

    It can execute nothing, make no TCP connection and no listener, and signal and trace nobody.
    What is open stays so. The thread must have no_new_privs. Return :func:`version`: files are
    closed from 1 on, TCP from 4, signals from 6. Raise OSError if a folder is not there.
    """
    has = version()
    if not has:
        return 0
    files = _FILES[max(known for known in _FILES if known <= has)]
    rules = _Ruleset(
        files,
        _TCP if has >= _TCP_SINCE else 0,
        _SCOPES if has >= _SCOPES_SINCE else 0,
    )
    size = ctypes.c_size_t(ctypes.sizeof(rules))  # an older kernel takes it while its rest is 0
    ruleset = sc.call(_NR_CREATE_RULESET, ctypes.byref(rules), size, ctypes.c_uint32(0))
    try:
        for path, allowed in ((readable, _READ), (writable, _KEEP)):
            _allow(ruleset, path, allowed & files)
        sc.call(_NR_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
    return has


def _allow(ruleset: int, path: str, allowed: int) -> None:
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _PathBeneath(allowed, parent)
        sc.call(
            _NR_ADD_RULE,
            ctypes.c_int(ruleset),
            ctypes.c_int(_RULE_PATH_BENEATH),
            ctypes.byref(rule),
            ctypes.c_uint32(0),
        )
    finally:
        os.close(parent)
