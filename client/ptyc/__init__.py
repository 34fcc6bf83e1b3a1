"""ptyc: attach to a session of ptyd, by hand with the command or by program with Session."""

from __future__ import annotations

TYPE_CHECKING = False  # typing is loaded later, see ptycli.main
if TYPE_CHECKING:
    from typing import Any

    from ptyc.session import AsyncSession, Session, SessionEnded, SessionError

__all__ = ["AsyncSession", "Session", "SessionEnded", "SessionError"]


def __getattr__(name: str) -> Any:
    """Import on first use: the command starts without any of these (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'ptyc' has no attribute {name!r}")
    from ptyc import session

    return getattr(session, name)
