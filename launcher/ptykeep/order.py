"""Orders: what the verbs of a container's owner tell its keeper, and what it answers.

One packet of JSON each way over ``keeper.sock``, which only its owner and root can reach. ``order``
names it:

===========  ===================================================================================
``start``    ``foreground size``: a new epoch, if the program has ended; answered once it runs
``restart``  ``signal timeout``: end the program, then the same
``stop``     ``signal timeout``: end the program and any policy; answered at once
``kill``     ``signal``: send it; SIGKILL and the signal to stop by end any policy
``pause``    hold all processes where they are
``unpause``  let them go on
``rename``   ``name``: what state.json and clients are told from here on
``update``   ``resources restart``: limits (of ``linux.resources``) and a policy, either or both
``leave``    if the program has ended, wait for nobody any more; refused while it runs
``visit``    hand out the box's user and mount namespace, in this order, as descriptors, for
             who copies files; none while there is no box
===========  ===================================================================================

The answer is ``{}``, or ``error``, a line for the user, and ``exit_code``. A connection that is
closed without one is that of a keeper that has just ended: there may be another.
"""

from __future__ import annotations

import os
import select
import socket
from typing import Any, Final

from ptykeep.protocol import Packet, receive, send

NAME: Final = "keeper.sock"
MOST_CALLERS: Final = 64


class NoKeeper(Exception):
    """There is none, or it ended before it answered."""


class NoAnswer(Exception):
    """The keeper is there and says nothing: it is stopped, or busy for too long."""


class Caller:
    """Somebody who waits for an answer."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def answer(self, error: str = "", exit_code: int = 1, fds: tuple[int, ...] = ()) -> None:
        """Say that it is done, or in one line why not."""
        fields = {"error": error, "exit_code": exit_code} if error else {}
        try:
            send(self._socket, fields, list(fds))
        except OSError:
            pass  # it did not wait
        self._socket.close()


class Orders:
    """The keeper's side: who has come and not said yet what they want."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._callers: dict[int, socket.socket] = {}

    def filenos(self) -> list[int]:
        """Return what to poll for reading; :meth:`take` takes it."""
        return [self._listener.fileno(), *self._callers]

    def take(self, fd: int) -> tuple[Caller, dict[str, Any]] | None:
        """Go on with one of them; return an order and who waits for its answer."""
        if fd == self._listener.fileno():
            self._accept()
            return None
        sock = self._callers.pop(fd)
        try:
            packet = receive(sock)
        except (BlockingIOError, ValueError):
            packet = None
        if packet is None:
            sock.close()
            return None
        _close_all(packet)
        return Caller(sock), packet.fields

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # it has gone already, or there are no descriptors: it waits in the backlog
        sock.setblocking(False)
        self._callers[sock.fileno()] = sock
        if len(self._callers) > MOST_CALLERS:
            self._callers.pop(next(iter(self._callers))).close()


def _close_all(packet: Packet) -> None:
    for fd in packet.fds:
        os.close(fd)


def say(folder: str, fields: dict[str, Any], within: float) -> dict[str, Any]:
    """Give an order to the keeper whose sockets are in ``folder``; return its answer.

    Raise NoKeeper, or NoAnswer after ``within`` seconds.
    """
    packet = ask(folder, fields, within)
    _close_all(packet)
    return packet.fields


def ask(folder: str, fields: dict[str, Any], within: float) -> Packet:
    """Do the same, and return the descriptors that came along, too."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        try:
            fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                sock.setblocking(False)  # a hung keeper's backlog may be full
                sock.connect(f"/proc/self/fd/{fd}/{NAME}")  # however long the path is (unix(7))
            finally:
                os.close(fd)
            send(sock, fields)
            if not select.select([sock], [], [], within)[0]:
                raise NoAnswer
            packet = receive(sock)
        except BlockingIOError:
            raise NoAnswer from None
        except OSError as error:
            raise NoKeeper(str(error)) from None
        if packet is None:
            raise NoKeeper("it has just ended")
        return packet
