"""The keeper's side of a server: start it, talk to it, start it again."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import Any, Final

from ptykeep.installation import chosen, here
from ptykeep.protocol import EXIT_REPLACED, FD, send

_MALLOC: Final = {"MALLOC_TRIM_THRESHOLD_": "33554432", "MALLOC_MMAP_THRESHOLD_": "33554432"}
"""mallopt(3): frames of 64 KiB come and go; given back to the kernel each time, every page of the
next one is a page fault, which costs as much as sending it to eight viewers."""

FIRST_BACKOFF: Final = 0.1
LAST_BACKOFF: Final = 5.0
SHORT_LIFE: Final = 1.0
"""Seconds: a server that lived shorter is started again only after a pause."""
LONG_LIFE: Final = 10.0
"""Seconds after which a server's death says nothing about the next one."""
REPLACE_TIMEOUT: Final = 2.0
"""Seconds that a server has to leave when it is asked to."""


class Server:
    """The one server process at a time, or the moment of the next."""

    def __init__(self, path: list[str], directory: str = "") -> None:
        """``path`` are the folders to import from; ``directory`` is the container's, if known."""
        self.path = path
        self._own = here(path)
        self._directory = directory
        self._has_log = False
        self.pid: int | None = None
        self.socket: socket.socket | None = None
        self.restart_at: float | None = None
        self.kill_at: float | None = None
        self.ready = False
        self._is_hurried = False
        self._starts = 0
        self._started = 0.0
        self._backoff = 0.0

    def start(self) -> None:
        """Start a server. Only ever called once the last one is reaped: two must not overlap."""
        assert self.pid is None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._has_log = bool(self._directory)
        log = open_log(self._directory) if self._has_log else open_nothing()
        ptyd = chosen(self._directory, self._own) if self._has_log else self._own
        self._starts += 1
        env = {"PTYD_PATH": ":".join(ptyd.path), "PTYD_SERVERS": str(self._starts), **_MALLOC}
        try:
            self.pid = os.posix_spawn(
                ptyd.python,
                [ptyd.python, "-I", "-S", ptyd.program("ptyd/__main__.py")],
                env,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, log, 2),
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), FD),
                ],
                setsigmask=(),
            )
        except OSError:
            # No memory, no processes left, Python being upgraded: all of these pass.
            ours.close()
            self._schedule()
            return
        finally:
            os.close(log)
            theirs.close()
        ours.setblocking(False)
        self.socket = ours
        self.ready = False
        self.restart_at = None
        self._started = time.monotonic()

    def serve(self, directory: str) -> None:
        """Have a server for this container: the one that was started before it was known.

        But not where it has been given another.
        """
        self._directory = directory
        if self.pid is not None and chosen(directory, self._own) != self._own:
            self.kill()
        if self.pid is None:
            self.start()

    def greet(self, hello: dict[str, Any], fds: list[int]) -> None:
        """Send the first packet, and with it the log to who was started before there was one."""
        if self._has_log:
            self.send(hello, fds)
            return
        log = open_log(self._directory)
        self.send({**hello, "log": True}, [*fds, log])
        os.close(log)
        self._has_log = True

    def send(self, fields: dict[str, Any], fds: list[int] | None = None) -> None:
        """Send if there is a server; one that is hung or gone is told all when it is replaced."""
        if self.socket is None:
            return
        try:
            send(self.socket, fields, fds)
        except BlockingIOError:
            self.replace()
        except OSError:
            self.disconnect()

    def disconnect(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def replace(self) -> None:
        """Ask the server to go; its exit starts the next."""
        if self.pid is None:
            self._backoff = 0.0
            self.restart_at = time.monotonic()
        elif self.kill_at is None:
            os.kill(self.pid, signal.SIGTERM)
            self.kill_at = time.monotonic() + REPLACE_TIMEOUT

    def hurry(self) -> None:
        """Ask a server that only lingers to stop doing so; one on its way, once it serves."""
        self._is_hurried = self.pid is None or not self.ready
        if self.pid is not None and self.ready:
            os.kill(self.pid, signal.SIGINT)

    def on_ready(self) -> None:
        """It serves: from here on signals are no surprise to it."""
        self.ready = True
        if self._is_hurried:
            self.hurry()

    def kill(self) -> None:
        """End the server for good and reap it."""
        self.restart_at = None
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None
        self.disconnect()

    def on_reaped(self) -> None:
        """The server is gone for certain: its descriptors are closed, no call of its is running."""
        self.pid = None
        self.kill_at = None
        self.disconnect()

    def plan_next(self, code: int) -> None:
        """Start the next server at once, or after a pause if servers keep dying young."""
        life = time.monotonic() - self._started
        # One that served and was killed from outside says nothing about the next one either.
        innocent = code == EXIT_REPLACED or (code == -signal.SIGKILL and self.ready)
        if innocent or life > LONG_LIFE:
            self._backoff = 0.0
        if innocent or life > SHORT_LIFE:
            self.restart_at = time.monotonic() + self._backoff
        else:
            self._schedule()

    def _schedule(self) -> None:
        self.restart_at = time.monotonic() + self._backoff
        self._backoff = min(max(2 * self._backoff, FIRST_BACKOFF), LAST_BACKOFF)

    def on_time(self, now: float) -> bool:
        """Do what is due; return whether there is a new server to be greeted."""
        if self.kill_at is not None and now >= self.kill_at and self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            self.kill_at = None
        if self.restart_at is None or now < self.restart_at:
            return False
        self.restart_at = None
        self.start()
        return self.socket is not None


def open_log(directory: str) -> int:
    """Open the log of a container's servers for one more; it starts anew at 1 MiB."""
    path = f"{directory}/server.log"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        if os.path.getsize(path) > 1 << 20:
            flags |= os.O_TRUNC
    except OSError:
        pass
    try:
        return os.open(path, flags, 0o600)
    except OSError:  # a full disk must not keep a server from starting
        return open_nothing()


def open_nothing() -> int:
    """Open what stands for a log where there is none."""
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
