"""Entries of tar archives that are anybody's: their names, their times, what is wrong with them."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from typing import Final

BROKEN: Final = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError,
                 OverflowError, RecursionError, IndexError)  # fmt: skip
"""What tarfile and gzip say of bytes that are not theirs; an IndexError of half a sparse map."""
_LATEST: Final = 1 << 33
"""Seconds since 1970: the times that ext4 holds."""


def parts_of(name: str) -> list[str]:
    """Return the parts of a name below the folder that an archive is unpacked to, or ValueError."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise ValueError(f"{name[:100]!r} leads out of it")
    return parts


def nanoseconds_of(member: tarfile.TarInfo) -> int:
    """Return when an entry says that it was changed, as a filesystem can have it."""
    return int(min(max(member.mtime, 0), _LATEST) * 10**9)
