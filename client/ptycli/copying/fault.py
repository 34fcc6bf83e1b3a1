"""What goes wrong while files are copied, on either side."""

from __future__ import annotations

import errno
import os
from typing import Final

from ptylaunch.errors import LaunchFailed

STAGE: Final = "files"
_LONGEST: Final = 200
"""Characters of a name that are shown."""


def bad(line: str) -> LaunchFailed:
    """Return the failure that a whole line tells."""
    return LaunchFailed(STAGE, 0, line)


def failed(error: OSError, name: str) -> LaunchFailed:
    """Return the failure of a system call at what has that name for the user."""
    return LaunchFailed(STAGE, error.errno or errno.EIO, shown(name))


def shown(name: str) -> str:
    return name if len(name) <= _LONGEST else name[:_LONGEST] + "…"


def line_of(failure: LaunchFailed) -> str:
    """Return what the user is told, which quotes what may be anybody's."""
    if failure.stage == "image":  # of an archive that is packed with something
        return failure.detail
    if failure.stage != STAGE:
        return str(failure)
    reason = os.strerror(failure.errno) if failure.errno else ""
    return ": ".join(filter(None, (failure.detail, reason)))
