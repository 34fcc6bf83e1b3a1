"""A keeper that is started before it is known for which container, or whether for any.

Two interpreters have to start and load their modules until a container can: its keeper's and its
server's. They do it while the command is still loading its own and makes sense of its options. So
nothing is imported here that would keep them waiting: ``typing`` alone is 3 ms.
"""

from __future__ import annotations

import _socket
import os
import sys

from ptykeep import keeper_main
from ptylaunch.sealed import is_exposed, sealed_copy

FD = 3
"""Where a keeper finds its socket (ptykeep.protocol.FD)."""


class Forerunner:
    """A keeper without a container: our child, which ends when its socket is closed."""

    def __init__(self) -> None:
        """Start it; OSError.

        It gets an empty environment, a session of its own and an argv that tells nothing. The first
        that it hears are the folders to import from, which is all that it needs to start a server.
        """
        ours, theirs = _socket.socketpair()
        self.socket = ours
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        interpreter, copy = sys.executable, -1
        try:
            if is_exposed(interpreter):
                copy = sealed_copy(interpreter)
                interpreter = f"/proc/self/fd/{copy}"
            actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)]
            self.pid = os.posix_spawn(
                interpreter,
                [sys.executable, "-I", "-S", keeper_main()],
                {},
                file_actions=[*actions, (os.POSIX_SPAWN_DUP2, theirs.fileno(), FD)],
                setsid=True,
                setsigmask=(),
            )
        except OSError:
            ours.close()
            raise
        finally:
            if copy >= 0:
                os.close(copy)
            os.close(null)
            theirs.close()
        try:
            ours.sendall(b"\0".join(map(os.fsencode, import_path())) + b"\0\0")
        except OSError:
            pass  # it is dead already; whoever needs it hears so


_sent_ahead: list[Forerunner] = []


def send_ahead() -> None:
    """Start a keeper that :func:`take` will want; whoever takes it hears what prevents that."""
    try:
        _sent_ahead.append(Forerunner())
    except OSError:
        pass


def take() -> Forerunner:
    """Return the keeper that was sent ahead, or start one; OSError."""
    return _sent_ahead.pop() if _sent_ahead else Forerunner()


def import_path() -> list[str]:
    """Return the folders that the server imports from: ours without the standard library's."""
    standard = (sys.prefix + "/lib/python", sys.base_prefix + "/lib/python")
    return [
        path
        for path in sys.path
        if os.path.isdir(path) and (not path.startswith(standard) or path.endswith("-packages"))
    ]
