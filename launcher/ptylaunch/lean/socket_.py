"""Stands in for ``socket``: the same functions, and numbers that are no members of an enum."""

from __future__ import annotations

import _socket
import os
from struct import calcsize, pack, unpack

from ptylaunch.lean import real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

globals().update((name, it) for name, it in vars(_socket).items() if not name.startswith("_"))

_FD = calcsize("i")


def __getattr__(name: str) -> Any:
    return real("socket", name)


class socket(_socket.socket):  # noqa: N801 - as the real one, without ``makefile`` and the like
    """A socket that can be used in a ``with``."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def accept(self) -> tuple[socket, Any]:
        me: Any = self  # _accept is not in typeshed
        fd, address = me._accept()  # noqa: SLF001
        return socket(self.family, self.type, self.proto, fileno=fd), address

    def set_inheritable(self, inheritable: bool) -> None:  # noqa: FBT001 - called so
        os.set_inheritable(self.fileno(), inheritable)


def socketpair(
    family: int = _socket.AF_UNIX, kind: int = _socket.SOCK_STREAM
) -> tuple[socket, socket]:
    one, other = (end.detach() for end in _socket.socketpair(family, kind))
    return socket(family, kind, fileno=one), socket(family, kind, fileno=other)


def send_fds(sock: _socket.socket, buffers: list[bytes], fds: list[int], flags: int = 0) -> int:
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, pack(f"{len(fds)}i", *fds))
    return sock.sendmsg(buffers, [rights], flags)


def recv_fds(
    sock: _socket.socket, size: int, most: int, flags: int = 0
) -> tuple[bytes, list[int], int, Any]:
    data, ancillary, answer, address = sock.recvmsg(size, _socket.CMSG_LEN(most * _FD), flags)
    fds: list[int] = []
    for level, kind, payload in ancillary:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            count = len(payload) // _FD
            fds += unpack(f"{count}i", payload[: count * _FD])
    return data, fds, answer, address
