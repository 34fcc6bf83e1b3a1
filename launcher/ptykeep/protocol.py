"""What keeper and server say to each other: JSON in SOCK_SEQPACKET packets, fds by SCM_RIGHTS.

====================  ==========================================================================
keeper to server
``hello``             ``version id name directory owner uid options listeners log``; one fd a
                      listener, and if ``log`` one more, for standard error: its own is none
``session``           ``session epoch tty rows cols status again foreground on_disconnect``;
                      fds named in ``fds``, in this order. One of a later epoch takes the
                      place of the one before (3)
``exited``            ``session status again``: if ``again``, another epoch is to follow (3);
                      said once more without it, there is none after all
``renamed``           ``name`` (3)
``started``           ``request session``: what was asked for is that session (version 2)
``failed``            ``request stage errno error exit_code``: it is not (2)
``remove``            ``session``: it has long ended, let go of it and say ``removed`` (2)
server to keeper
``ready``             ``version intake``: it serves; how bytes reach the journal
``signal``            ``session signal`` (a number)
``ended``             ``session epoch``: the journal has all of it, and its status (3)
``close-stdin``       ``session``: close the keeper's copy of the write end
``screen``            ``session``: start its screen, which speaks on the fd that comes with it
``end-screen``        ``session``
``stop``              as SIGTERM to the keeper
``exec``              ``request``: the server's number; one fd, a file of JSON (2)
``keep``              ``session``: its client has left on purpose (2)
``removed``           ``session`` (2)
====================  ==========================================================================

Unknown messages and fields are ignored, so a new server understands an old keeper. The fds of a
session with a terminal are ``pty pipe_read pipe_write input``, without one ``stdout stderr input``
and ``stdin`` while that is open; ``input`` is the memfd that keeps input positions. The file of an
``exec`` is read by ``ptykeep.wish``: ``key args env cwd user tty rows cols stdin foreground
on_disconnect``; whoever asks twice with the same ``key`` gets the same session. ``uid`` is who
the server becomes, 0 if it stays who it is.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any, Final, NamedTuple

VERSION: Final = 3
EXEC_SINCE: Final = 2
"""The version from which on a keeper starts a second program."""

FD: Final = 3
"""The server's end of the socket, by number."""

EXIT_DONE: Final = 0
"""The server's exit code once every session has ended and its clients know."""
EXIT_REPLACED: Final = 3
"""The server's exit code when it was asked to make room for the next."""

_MAX_PACKET: Final = 1 << 16
_INT: Final = 4  # bytes of a descriptor
_MAX_FDS: Final = 64


class Packet(NamedTuple):
    """One message and the fds that came with it, close-on-exec and the receiver's to close."""

    fields: dict[str, Any]
    fds: list[int]


def send(sock: socket.socket, fields: dict[str, Any], fds: list[int] | None = None) -> None:
    """Send one packet; raise OSError when the peer is gone or its queue is full."""
    data = [json.dumps(fields).encode()]
    if fds:
        socket.send_fds(sock, data, fds, socket.MSG_NOSIGNAL)
    else:
        sock.sendmsg(data, (), socket.MSG_NOSIGNAL)


def receive(sock: socket.socket) -> Packet | None:
    """Return the next packet, None at end-of-file; raise BlockingIOError when there is none yet.

    A packet that is no JSON object is a ValueError, and what came with it is closed.
    """
    space = socket.CMSG_SPACE(_MAX_FDS * _INT)
    try:
        data, ancillary, _, _ = sock.recvmsg(_MAX_PACKET, space, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return None
    fds: list[int] = []
    for level, kind, payload in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            whole = payload[: len(payload) - len(payload) % _INT]
            fds += memoryview(whole).cast("i").tolist()
    if not data:
        return None
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        for fd in fds:
            os.close(fd)
        raise ValueError("a packet that is no JSON object")  # noqa: TRY004 - a peer's, not ours
    return Packet(fields, fds)
