"""What goes wrong while a box is built: a stage, an errno and one line of detail.

The children that build a box never print a traceback: after the root has changed, CPython would
open the source file *inside* the box to quote a line. They send the packed form instead.
"""

from __future__ import annotations

import errno as codes
import os
from typing import Final

_CANNOT_EXECUTE: Final = frozenset(
    {
        codes.EACCES,
        codes.ENOEXEC,
        codes.EISDIR,
        codes.EPERM,
        codes.ELOOP,
        codes.ETXTBSY,
        codes.ELIBBAD,
        codes.EINVAL,
        codes.E2BIG,
        codes.ENAMETOOLONG,
    }
)

_DETAIL_LIMIT: Final = 1024
"""Bytes of detail that are sent; the rest is cut."""


class Refused(Exception):
    """A command that cannot be done; the message is a line for the user."""


class LaunchFailed(Exception):
    """A box could not be built or its program could not be executed."""

    def __init__(self, stage: str, errno: int, detail: str = "") -> None:
        super().__init__(stage, errno, detail)
        self.stage = stage
        self.errno = errno
        self.detail = detail

    def __str__(self) -> str:
        reason = os.strerror(self.errno) if self.errno else "failed"
        if self.stage == "spec":  # the detail is a whole sentence
            return f"spec: {self.detail or reason}"
        return ": ".join(part for part in (self.stage, self.detail, reason) if part)

    @property
    def exit_code(self) -> int:
        """Docker's: 127 not found, 126 found but not executable, 125 the box itself failed."""
        if self.stage == "exec" and self.errno in (codes.ENOENT, codes.ENOTDIR):
            return 127
        if self.stage == "exec" and self.errno in _CANNOT_EXECUTE:
            return 126
        return 125


def pack_failure(stage: str, errno: int, detail: str) -> bytes:
    """Return one message for the channel; NUL separates, so it is taken out of the texts."""
    texts = (stage.replace("\0", "?"), str(errno), detail.replace("\0", "?"))
    return "\0".join(texts).encode("utf-8", "surrogateescape")[:_DETAIL_LIMIT]


def unpack_failure(data: bytes) -> LaunchFailed:
    stage, _, rest = data.decode("utf-8", "replace").partition("\0")
    number, _, detail = rest.partition("\0")
    return LaunchFailed(stage, int(number) if number.isdecimal() else codes.EPROTO, detail)


def failure_from(error: BaseException, stage: str) -> LaunchFailed:
    """Translate what a child caught, without looking at its traceback."""
    if isinstance(error, LaunchFailed):
        return error
    if isinstance(error, OSError):
        name = error.filename
        detail = os.fsdecode(name) if isinstance(name, (str, bytes)) else ""
        return LaunchFailed(stage, error.errno or codes.EIO, detail)
    return LaunchFailed(stage, codes.EPROTO, f"{type(error).__name__}: {error}")
