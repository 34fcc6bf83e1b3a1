"""Where the command ``ptylaunch`` begins and ends, which is a third of what a short run takes."""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # typing is what is not to be loaded, see lean
if TYPE_CHECKING:
    from typing import NoReturn

_READER_GONE = 141
"""128 and SIGPIPE, of which runc dies there."""


def command() -> NoReturn:
    """Be the command: :func:`ptylaunch.main.main` without what an interpreter does around it."""
    gc.disable()  # nothing here makes garbage that is worth the looking, least of all the imports
    from ptylaunch.lean import stand_in

    stand_in()
    from ptylaunch.main import main

    try:
        status = main()
    except SystemExit as end:  # of argparse, which has printed help
        status = int(end.code or 0)
    os._exit(_flush(status))  # taking a hundred modules apart helps nobody: 6 ms


def _flush(status: int) -> int:
    """Write what is left to be printed; return ``status``, or what says that it is lost.

    What cannot be written Python would try once more at its end, and exit with 0 or 120.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return status or _READER_GONE
    except OSError as error:
        sys.stderr.write(f"ptylaunch: standard output: {error.strerror}\n")
        return status or 1
    return status
