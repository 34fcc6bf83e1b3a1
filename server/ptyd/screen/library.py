"""Finds libghostty-vt as pyghostty brings it, and loads it in 10 ms instead of 150.

pyghostty parses its declarations whenever it is imported. :mod:`ptyd.screen.ghostty_tables` is the
same, parsed beforehand; for another pyghostty than that was made of, its own import serves, later.
"""

from __future__ import annotations

import os
import zlib
from functools import cache
from importlib.machinery import PathFinder
from typing import Any, Final

_LIBRARY: Final = "_lib/libghostty-vt.so"
_HEAD: Final = 64 << 10
"""Bytes of the library that tell it from others: the tables of its symbols are there."""


@cache
def _folder() -> str:
    """Return where pyghostty lies, without importing it; raise ImportError where there is none."""
    spec = PathFinder.find_spec("pyghostty")
    for folder in (spec.submodule_search_locations if spec is not None else None) or ():
        return folder
    raise ImportError("pyghostty is not installed", name="pyghostty")


def declarations() -> bytes | None:
    """Return the module of pyghostty that holds the text of its C declarations, None without it."""
    try:
        with open(f"{_folder()}/_cdef.py", "rb") as file:
            return file.read()
    except (FileNotFoundError, ImportError):
        return None


def fingerprint(source: bytes) -> int:
    """Return what tells one pyghostty's declarations from another's."""
    return zlib.crc32(source)


@cache
def identity() -> str:
    """Return what tells the library that is installed from any other build of it."""
    with open(f"{_folder()}/{_LIBRARY}", "rb") as file:
        return f"{zlib.crc32(file.read(_HEAD)):08x}-{os.fstat(file.fileno()).st_size}"


def load() -> tuple[Any, Any]:
    """Return cffi's ``ffi`` and ``lib``; raise ImportError or OSError where there is no library."""
    from ptyd.screen import ghostty_tables

    source = declarations()
    if source is not None and fingerprint(source) == ghostty_tables.FINGERPRINT:
        ffi = ghostty_tables.ffi
        return ffi, ffi.dlopen(f"{_folder()}/{_LIBRARY}")
    # The library ships no types: everything of it is Any.
    import pyghostty  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

    return pyghostty.ffi, pyghostty.lib  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
