"""Importing something without a module that it asks for and does not use."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def without(name: str) -> Generator[None]:
    """Have nothing stand where the module ``name`` would, for an import inside of the block.

    ``websockets`` wants importlib.metadata to find out which version it is, unless it is a release.
    That is 50 modules (email.message, zipfile) and, as both ends of a start wait for it, 50 ms.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        del sys.modules[name]
