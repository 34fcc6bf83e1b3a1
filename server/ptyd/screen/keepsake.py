"""``<start>.snap`` beside a segment: the screen as it was where the segment starts.

Whoever joins late starts from the newest one and reads one segment, not sixteen. It is a cache: one
that is damaged, or of another version of the library, is as good as none.
"""

from __future__ import annotations

import os
from typing import Final

from ptyd.screen.emulator import Damaged, Emulator

_NEW: Final = ".snap-new"
"""One name for what is being written: a kill leaves at most this, and the next write takes it."""


def path(folder: str, start: int) -> str:
    return f"{folder}/{start:020d}.snap"


def write(folder: str, start: int, emulator: Emulator) -> None:
    """Keep the state at ``start``; a full disk or a folder that is gone only mean that it is not.

    The file appears whole, by rename(2), and only beside a segment that is still there.
    """
    new = f"{folder}/{_NEW}"
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            data = memoryview(emulator.encode())
            while data:
                data = data[os.write(fd, data) :]
        finally:
            os.close(fd)
        os.rename(new, path(folder, start))
        if not os.path.exists(f"{folder}/{start:020d}.out"):
            os.unlink(path(folder, start))  # rotation took the segment meanwhile
    except OSError:
        try:
            os.unlink(new)
        except OSError:
            pass  # it was never made, or is overwritten the next time


def read(folder: str, start: int) -> Emulator | None:
    """Return the state at ``start``, None if it is not kept or cannot be used."""
    try:
        with open(path(folder, start), "rb") as file:
            return Emulator.decode(file.read())
    except (FileNotFoundError, PermissionError, Damaged):
        return None
