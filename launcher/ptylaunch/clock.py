"""The clocks of a box with a time namespace: ``linux.timeOffsets`` (time_namespaces(7))."""

from __future__ import annotations

import os
from typing import Any, Final

from ptylaunch.errors import failure_from
from ptylaunch.value import as_dict, bad, dict_at, int_at

_WHERE: Final = "linux.timeOffsets"
_CLOCKS: Final = ("monotonic", "boottime")
_SECOND: Final = 1_000_000_000
"""Nanoseconds."""


def read_offsets(linux: dict[str, Any], *, own: bool) -> tuple[tuple[str, int, int], ...]:
    """Return clock, seconds and nanoseconds of each; ``own``: the box gets a namespace of its own.

    One that is joined has had its first process, after which offsets stay as they are.
    """
    fields = dict_at(linux, "timeOffsets", _WHERE)
    if fields and not own:
        raise bad(f"{_WHERE} wants a time namespace of the box's own")
    if unknown := set(fields) - set(_CLOCKS):
        raise bad(f"{_WHERE}.{min(unknown)} is not supported")
    return tuple((clock, *_offset(fields[clock], clock)) for clock in _CLOCKS if clock in fields)


def write_offsets(offsets: tuple[tuple[str, int, int], ...]) -> None:
    """Set them for the namespace that our children will be in; LaunchFailed."""
    if not offsets:
        return
    text = "".join(f"{clock} {seconds} {nanos}\n" for clock, seconds, nanos in offsets)
    try:
        fd = os.open("/proc/self/timens_offsets", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise failure_from(error, "time namespace") from error


def _offset(entry: object, clock: str) -> tuple[int, int]:
    where = f"{_WHERE}.{clock}"
    fields = as_dict(entry, where)
    seconds = fields.get("secs") or 0
    if type(seconds) is not int or not -(1 << 63) <= seconds < 1 << 63:
        raise bad(f"{where}.secs must be a number")
    nanos = int_at(fields, "nanosecs", f"{where}.nanosecs", 0)
    if nanos >= _SECOND:
        raise bad(f"{where}.nanosecs must be less than {_SECOND}")
    return seconds, nanos
