"""Where the command ``ptylaunch`` begins and ends, which is a third of what a short run takes."""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # typing is what is not to be loaded, see lean
if TYPE_CHECKING:
    from typing import NoReturn


def command() -> NoReturn:
    """Be the command: :func:`ptylaunch.main.main` without what an interpreter does around it."""
    gc.disable()  # nothing here makes garbage that is worth the looking, least of all the imports
    from ptylaunch.lean import stand_in

    stand_in()
    from ptylaunch.main import main

    status = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        sys.exit(status)  # which says so, and why
    os._exit(status)  # taking a hundred modules apart helps nobody: 6 ms
