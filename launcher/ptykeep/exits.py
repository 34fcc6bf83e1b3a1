"""How a container ended, in a file that whoever waits has open before it runs.

``exits`` in the container's folder gets a line ``EPOCH STATUS`` when nothing follows an epoch any
more. It is appended to, never replaced: a descriptor of it outlives the folder, which ``--rm`` may
remove before anybody has looked.
"""

from __future__ import annotations

import os
from typing import Final

NAME: Final = "exits"


def prepare(directory: str) -> None:
    """Make the file, where there is none."""
    path = f"{directory}/{NAME}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def note(directory: str, epoch: int, status: int) -> None:
    """Write the last status down; on a full disk it is in state.json alone, later."""
    try:
        fd = os.open(f"{directory}/{NAME}", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    except OSError:
        return  # the container is of an older ptyd
    try:
        os.write(fd, f"{epoch} {status}\n".encode())
    except OSError:
        pass
    finally:
        os.close(fd)


class Exits:
    """What is appended from now on."""

    def __init__(self, directory: str) -> None:
        """Raise FileNotFoundError for a container without the file."""
        self._fd = os.open(f"{directory}/{NAME}", os.O_RDONLY | os.O_CLOEXEC)
        self._size = os.fstat(self._fd).st_size

    def status(self) -> int | None:
        """Return the first status that was written down since; None while there is none."""
        line, newline, _ = os.pread(self._fd, 64, self._size).partition(b"\n")
        return int(line.split()[1]) if newline else None

    @property
    def is_removed(self) -> bool:
        """Whether the container's folder is gone, or on its way."""
        return os.fstat(self._fd).st_nlink == 0

    def close(self) -> None:
        os.close(self._fd)
