"""The socket between the caller of ``build`` and the children that build the box.

A SOCK_SEQPACKET pair, so that a message is a message. The receiver sets SO_PASSCRED: the kernel
then labels each message with its sender's pid *in the receiver's pid namespace* (unix(7)), which
is how the caller learns the host pid of a process that only knows its own number.

Child to caller: MAPS (write my maps), FORKED (pid 1 exists, its host pid as text), TERMINAL (with
two fds), NAMESPACES (the box's own, one fd each), INIT (pid 1 has locked itself up), HOOKS (run the
host's), IDENTITY (of a program that joins: uid and gid as text), LIMITS (set my rlimits), READY
(the program waits), FAILED. Caller to child: GO. End-of-file after GO means that execve closed the
last copy: success.
"""

from __future__ import annotations

import socket
import struct
from typing import Final, NamedTuple

MAPS: Final = b"M"
FORKED: Final = b"F"
TERMINAL: Final = b"T"
NAMESPACES: Final = b"N"
IDENTITY: Final = b"U"
INIT: Final = b"I"
HOOKS: Final = b"H"
LIMITS: Final = b"L"
READY: Final = b"R"
FAILED: Final = b"E"
GO: Final = b"G"

_INT: Final = 4  # bytes of a descriptor
_UCRED: Final = struct.Struct("iII")  # struct ucred: pid, uid, gid
_MAX_FDS: Final = 8  # seven kinds of namespaces
_ANCILLARY: Final = socket.CMSG_SPACE(_MAX_FDS * _INT) + socket.CMSG_SPACE(_UCRED.size)


class Message(NamedTuple):
    """``kind`` is empty at end-of-file. ``pid`` is the sender's, as the receiver sees it."""

    kind: bytes
    data: bytes
    pid: int
    fds: list[int]


def open_channel(timeout: float) -> tuple[socket.socket, socket.socket]:
    """Return the caller's end, which gives up after ``timeout`` seconds, and the children's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    ours.settimeout(timeout)
    return ours, theirs


def receive(sock: socket.socket) -> Message:
    """Wait for one message; OSError when the peer broke, TimeoutError when it hangs."""
    try:
        data, ancillary, _, _ = sock.recvmsg(4096, _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:  # the peer died with our message unread
        return Message(b"", b"", 0, [])
    pid = 0
    fds: list[int] = []
    for level, kind, payload in ancillary:
        if level != socket.SOL_SOCKET:
            continue
        if kind == socket.SCM_RIGHTS:
            fds += read_fds(payload)
        elif kind == socket.SCM_CREDENTIALS:
            pid = _UCRED.unpack_from(payload)[0]
    return Message(data[:1], data[1:], pid, fds)


def read_fds(payload: bytes) -> list[int]:
    """Return the descriptors that SCM_RIGHTS brought; a cut one at the end is none (cmsg(3))."""
    return memoryview(payload[: len(payload) - len(payload) % _INT]).cast("i").tolist()


def send(sock: socket.socket, kind: bytes, data: bytes = b"", fds: tuple[int, ...] = ()) -> None:
    if fds:
        socket.send_fds(sock, [kind + data], list(fds))
    else:
        sock.send(kind + data)


def await_word(sock: socket.socket, word: bytes) -> bool:
    """Wait in a child for ``word``; False when the caller is gone."""
    return sock.recv(16) == word
