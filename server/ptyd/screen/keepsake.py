"""``<start>.snap`` beside a segment: the screen as it was where the segment starts.

Whoever joins late starts from the newest one and reads one segment, not sixteen. It is a cache: one
that is damaged, or of another version of the library, is as good as none. They count in what the
journal may hold, so only the newest are kept, packed, and one that is too large is not.
"""

from __future__ import annotations

import os
import zlib
from typing import Final

from ptyd.screen.emulator import Damaged, Emulator

KEPT: Final = 2
"""The newest, and one before it in case that one is damaged."""
_LARGEST: Final = 64 << 20
"""Bytes of a state, unpacked; 1,000 rows of 2,000 columns take 10 MiB."""
_NEW: Final = ".snap-new"
"""One name for what is being written: a kill leaves at most this, and the next write takes it."""


def path(folder: str, start: int) -> str:
    return f"{folder}/{start:020d}.snap"


def write(folder: str, start: int, emulator: Emulator, largest: int) -> None:
    """Keep the state at ``start``, if it takes no more than ``largest`` bytes.

    A full disk or a folder that is gone only mean that it is not kept.

    The file appears whole, by rename(2), and only beside a segment that is still there.
    """
    packed = zlib.compress(emulator.encode(), 1)
    if len(packed) > largest:
        return
    new = f"{folder}/{_NEW}"
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            data = memoryview(packed)
            while data:
                data = data[os.write(fd, data) :]
        finally:
            os.close(fd)
        os.rename(new, path(folder, start))
        if not os.path.exists(f"{folder}/{start:020d}.out"):
            os.unlink(path(folder, start))  # rotation took the segment meanwhile
        for name in sorted(name for name in os.listdir(folder) if name.endswith(".snap"))[:-KEPT]:
            os.unlink(f"{folder}/{name}")
    except OSError:
        try:
            os.unlink(new)
        except OSError:
            pass  # it was never made, or is overwritten the next time


def read(folder: str, start: int) -> Emulator | None:
    """Return the state at ``start``, None if it is not kept or cannot be used."""
    try:
        with open(path(folder, start), "rb") as file:
            return Emulator.decode(zlib.decompressobj().decompress(file.read(), _LARGEST))
    except (FileNotFoundError, PermissionError, zlib.error, Damaged):
        return None
