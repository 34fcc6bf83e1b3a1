"""What the screen process gives up before it looks at a byte: privileges, descriptors, growth."""

from __future__ import annotations

import ctypes
import os
import resource
from typing import Final

MEMORY: Final = 1 << 30
"""Bytes of address space: past them it dies, and the next one starts."""
DESCRIPTORS: Final = 64

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_DUMPABLE: Final = 4


def confine(keep: int) -> None:
    """Keep the descriptors 0 to ``keep`` and nothing else; raise OSError where that fails."""
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_NO_NEW_PRIVS, 1), (_PR_SET_DUMPABLE, 0)):
        if libc.prctl(option, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl(2) refused")
    limits = (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_NOFILE, DESCRIPTORS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),  # it never forks; without effect for root (getrlimit(2))
    )
    for limit, value in limits:
        hard = resource.getrlimit(limit)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (allowed, allowed))
