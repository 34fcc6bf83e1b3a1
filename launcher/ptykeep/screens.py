"""The keeper's side of screen processes: started and ended for a server that may do neither.

A server without privileges cannot execute a Python that only root may read, and must not kill by
pid what may be somebody else's by now.
"""

from __future__ import annotations

import fcntl
import os
import signal

from ptykeep.installation import chosen, here
from ptykeep.protocol import FD
from ptykeep.server import open_log


class Screens:
    """At most one screen for each session."""

    def __init__(self, path: list[str], directory: str, uid: int) -> None:
        """``directory`` is the container's, ``uid`` as in :mod:`ptykeep.identity`."""
        self._own = here(path)
        self._directory = directory
        self._uid = uid
        self._pids: dict[int, int] = {}

    def start(self, session: int, fd: int) -> None:
        """Start a session's screen, which speaks on ``fd``; without one the other end hangs up."""
        self.end(session)
        log = open_log(self._directory)
        ptyd = chosen(self._directory, self._own)
        spare = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FD + 1)  # dup2 to itself keeps close-on-exec
        try:
            self._pids[session] = os.posix_spawn(
                ptyd.python,
                [ptyd.python, "-I", "-S", ptyd.program("ptyd/screen/__main__.py")],
                {
                    "PTYD_PATH": ":".join(ptyd.path),
                    "PTYD_DIRECTORY": self._directory,
                    "PTYD_UID": str(self._uid),
                    "PTYD_KEEPER": str(os.getpid()),
                },
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, log, 2),
                    (os.POSIX_SPAWN_DUP2, spare, FD),
                ],
                setsigmask=(),
            )
        except OSError:
            return  # no memory, no processes left: the server tries again later
        finally:
            os.close(spare)
            os.close(log)

    def end(self, session: int) -> None:
        """End a session's screen. SIGKILL: it has nothing to put in order, and may be stopped."""
        pid = self._pids.pop(session, 0)
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def end_all(self) -> None:
        for session in list(self._pids):
            self.end(session)

    def on_reaped(self, pid: int) -> None:
        """Forget a screen that has ended by itself."""
        self._pids = {session: each for session, each in self._pids.items() if each != pid}
