"""Standard input, output and error that are closed: the first thing that a command repairs."""

from __future__ import annotations

import os
import sys


def open_missing() -> None:
    """Open /dev/null where one of the three is closed, as ``ptyd ps <&- >&-`` has them.

    Else the next socket or file gets their numbers, and what is meant for a person goes there.
    """
    while (fd := os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    # Python leaves None in the place of a stream that was closed when it started.
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
