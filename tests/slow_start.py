"""The moments of a start that are too short to be met: with the server stopped they last."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from leaks import descendants
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def stopped_server() -> Iterator[None]:
    """Stop the server that a container is started with, before it says hello to anybody."""

    def server() -> int | None:
        for pid in descendants():
            command = Path(f"/proc/{pid}/cmdline")
            try:
                if b"ptyd/__main__.py" in command.read_bytes():
                    return pid
            except (FileNotFoundError, ProcessLookupError):
                continue
        return None

    wait_until(server)
    pid = server()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # replaced meanwhile
            os.kill(pid, signal.SIGCONT)


def is_attaching(pid: int) -> bool:
    """Tell whether ptyc runs in a process: it alone catches SIGWINCH (proc(5): SigCgt)."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        caught = next(line for line in file if line.startswith("SigCgt:")).split()[1]
    return bool(int(caught, 16) >> (signal.SIGWINCH - 1) & 1)


def is_watching(pid: int) -> bool:
    """Tell whether a process waits for files to change (inotify(7)), as ``logs -f`` does."""
    folder = f"/proc/{pid}/fd"
    with suppress(FileNotFoundError, ProcessLookupError):
        for name in os.listdir(folder):
            with suppress(FileNotFoundError):
                if os.readlink(f"{folder}/{name}") == "anon_inode:inotify":
                    return True
    return False
