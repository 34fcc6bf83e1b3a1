"""A real screen process, spoken to as the server does."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import ptyd
import ptykeep
from ptyd.journal.index import TERMINAL
from ptyd.journal.journal import MIN_LIMIT
from ptyd.screen.emulator import Emulator
from ptykeep.protocol import receive, send
from waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from ptyd.journal.journal import Journal

ROWS, COLS = 10, 40
KEEP = MIN_LIMIT // 8
MAIN = os.path.join(os.path.dirname(ptyd.__file__), "screen", "__main__.py")


class Screen:
    """The server's side of a screen process."""

    def __init__(self, directory: Path) -> None:
        """``directory`` is the container's: the screen reads nothing else."""
        (directory / "sessions").mkdir(exist_ok=True)
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        homes = {os.path.dirname(os.path.dirname(each.__file__)) for each in (ptyd, ptykeep)}
        path = ":".join([*homes, *(each for each in sys.path if each.endswith("site-packages"))])
        fd = theirs.fileno()
        spare = os.dup(fd)  # posix_spawn's dup2 clears close-on-exec only where the numbers differ
        self.pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", MAIN],
            {
                "PTYD_PATH": path,
                "PTYD_DIRECTORY": str(directory),
                "PTYD_UID": "0",
                "PTYD_KEEPER": str(os.getpid()),
            },
            file_actions=[(os.POSIX_SPAWN_DUP2, spare, 3)],
        )
        os.close(spare)
        theirs.close()
        self.packets: list[dict[str, Any]] = []
        self.asked = 0

    def send(self, kind: str, **fields: Any) -> None:
        send(self.sock, {"type": kind, **fields})

    def open(self, folder: Path, rows: int = ROWS, cols: int = COLS) -> None:
        self.send("open", folder=str(folder), rows=rows, cols=cols, scrollback=1000, keep=KEEP)

    def expect(self, kind: str) -> dict[str, Any]:
        """Return the next packet of a kind; a snapshot's bytes are its ``data``."""
        while True:
            assert select.select([self.sock], [], [], PATIENCE)[0], f"no {kind} came"
            packet = receive(self.sock)
            assert packet is not None, "the screen is gone"
            self.packets.append(packet.fields)
            for fd in packet.fds:
                with open(fd, "rb") as file:
                    packet.fields["data"] = file.read()
            if packet.fields["type"] == kind:
                return packet.fields

    def snapshot(self, at_least: int, scrollback: int = 1000) -> dict[str, Any]:
        self.asked += 1
        self.send("snapshot", id=self.asked, at_least=at_least, scrollback=scrollback)
        fields = self.expect("snapshot")

        assert fields["id"] == self.asked
        assert fields["size"] == len(fields["data"])
        return fields

    def shown(self, at_least: int) -> list[str]:
        """Return the rows of text that a snapshot shows."""
        fields = self.snapshot(at_least)
        emulator = Emulator(fields["rows"], fields["cols"])
        emulator.feed(fields["data"])
        return emulator.text()

    def end(self) -> int:
        """Close the socket, wait, and return the exit status."""
        self.sock.close()
        pid, self.pid = self.pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def close(self) -> None:
        self.sock.close()
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def write(journal: Journal, data: bytes) -> int:
    """Append all of ``data`` in pieces as a server would; return the end."""
    for at in range(0, len(data), 1000):
        journal.label(TERMINAL)
        assert journal.append(data[at : at + 1000]) == len(data[at : at + 1000])
    return journal.end
