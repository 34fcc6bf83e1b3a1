"""How a box stands to its caller: who starts it, with whom it ends, what it is handed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping


class Terms(NamedTuple):
    """The default is how a keeper wants it."""

    tied: bool = True
    """The box ends when the caller does."""
    listener: socket.socket | None = None
    """Where the program waits for its start, once the caller has let go of it; see ``start``."""
    preserved_fds: frozenset[int] = frozenset()
    """Fds that are the program's too."""
    listen_fds: int = 0
    """So many of them, from 3 on, are listening sockets by sd_listen_fds(3)."""
    new_keyring: bool = True
    pivot: bool = True
    state: Mapping[str, Any] = {}
    """The container as hooks are told of it (hook.py), without status and pid."""


KEEPERS: Final = Terms()
