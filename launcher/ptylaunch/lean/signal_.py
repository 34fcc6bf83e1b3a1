"""Stands in for ``signal``: the same functions, and numbers that are no members of an enum."""

from __future__ import annotations

from ptylaunch.lean import real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_signal: Any = __import__("_signal")  # not in typeshed
globals().update({name: getattr(_signal, name) for name in dir(_signal) if name[0] != "_"})


def __getattr__(name: str) -> Any:
    return real("signal", name)
