"""The keeper's log, on its standard error: keeper.log."""

from __future__ import annotations

import os


def write_log_in(directory: str) -> None:
    """Have what is written to standard error in a container's keeper.log from here on; OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    fd = os.open(f"{directory}/keeper.log", flags, 0o600)
    os.dup2(fd, 2)
    os.close(fd)


def log(line: str) -> None:
    try:
        os.write(2, f"keeper: {line}\n".encode())
    except OSError:
        pass  # the log is on the disk that is full: no reason to end a container
