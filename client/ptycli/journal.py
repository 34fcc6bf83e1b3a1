"""A session's journal, as it is at one moment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ptycli.arguments import Failure

if TYPE_CHECKING:
    from ptyd.journal.journal import Journal

_RACES: Final = 100
"""Attempts to read the journal's list of segments before one of them is gone."""


def load(folder: str) -> Journal:
    """Return what the journal holds; the session may drop its oldest segment while we look."""
    from ptyd.journal.journal import Journal  # 10 ms, for who asks

    for _ in range(_RACES):
        journal = Journal(folder)
        try:
            journal.load()
        except FileNotFoundError:
            if not os.path.isdir(folder):
                raise  # removed
            continue
        return journal
    raise Failure(f"{folder} changes faster than it can be read")
