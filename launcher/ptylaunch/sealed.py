"""The interpreter as a sealed copy, where a box could write to the file itself.

What a box executes last before its own program is a fork of ours, so ``#!/proc/self/exe`` in a
file of the box runs our interpreter there, and ``/proc/self/exe`` is then a way to its file on the
host (CVE-2019-5736). Root's boxes have ids that own nothing on the host; in an ordinary user's box
root is that user, who may have installed the interpreter. A copy in memory that is sealed
(memfd_create(2)) cannot be changed by anybody.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys

TYPE_CHECKING = False  # typing would delay all that a forerunner is for (ptykeep.forerunner)
if TYPE_CHECKING:
    from typing import Final

_MFD_ALLOW_SEALING: Final = 2
_MFD_EXEC: Final = 0x10  # Linux 6.3; wanted where vm.memfd_noexec is set
_F_ADD_SEALS: Final = 1033
_ALL_SEALS: Final = 1 | 2 | 4 | 8  # SEAL SHRINK GROW WRITE
_CHUNK: Final = 1 << 30


def is_exposed(path: str) -> bool:
    """Tell whether an ordinary user's box could change the file: as its owner, or as anybody."""
    if os.geteuid() == 0:
        return False
    return os.stat(path).st_uid == os.geteuid() or os.access(path, os.W_OK)


def sealed_copy(path: str) -> int:
    """Return a descriptor of a sealed copy, close-on-exec: execute ``/proc/self/fd/N``."""
    flags = os.MFD_CLOEXEC | _MFD_ALLOW_SEALING
    try:
        copy = os.memfd_create("ptyd-python", flags | _MFD_EXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        copy = os.memfd_create("ptyd-python", flags)
    try:
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while os.sendfile(copy, source, None, _CHUNK):
                pass
        finally:
            os.close(source)
        fcntl.fcntl(copy, _F_ADD_SEALS, _ALL_SEALS)
    except BaseException:
        os.close(copy)
        raise
    return copy


def seal_self() -> None:
    """Start this program again from such a copy, where its own file is exposed."""
    running = os.readlink("/proc/self/exe")
    if running.startswith("/memfd:") or not is_exposed(running):
        return
    copy = sealed_copy(running)
    os.execv(f"/proc/self/fd/{copy}", [sys.executable, *sys.orig_argv[1:]])
