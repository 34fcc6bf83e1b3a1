"""Reads asciicasts, version 2 and 3, as anybody may have written them."""

from __future__ import annotations

import json
import math
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from ptycli.arguments import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST_LINE: Final = 16 << 20
"""Bytes: what is shown at a time, a picture of a huge screen, is no more anywhere else either."""
_LONGEST_WAIT: Final = 10 * 365 * 86400.0
"""Seconds: a clock that was set has made greater ones."""


class Shown(NamedTuple):
    """Bytes for the terminal, ``wait`` seconds after those before."""

    wait: float
    data: bytes


class Cast(NamedTuple):
    """A recording: what its header says, and what is to be shown."""

    idle_limit: float | None
    shown: Iterator[Shown]


def read_cast(name: str, file: BinaryIO) -> Cast:
    """Return a recording; raise Failure here or while it is shown, where it is none."""
    # One byte more, by which a line is seen to be too long: /dev/zero is one without an end.
    numbered = enumerate(iter(partial(file.readline, LONGEST_LINE + 1), b""), 1)
    _, first = next(numbered, (1, b""))
    match _parse(first):
        case {"version": 2 | 3 as version, **fields} if not isinstance(version, bool):
            idle_limit = _time_of(fields.get("idle_time_limit"))
            return Cast(idle_limit, _events(name, numbered, is_relative=version == 3))
        case _:
            raise Failure(f"{name} is no asciicast of version 2 or 3")


def _events(
    name: str, numbered: Iterable[tuple[int, bytes]], *, is_relative: bool
) -> Iterator[Shown]:
    wait = last = 0.0
    for number, line in numbered:
        if len(line) > LONGEST_LINE:
            raise Failure(f"{name}: line {number} is longer than {LONGEST_LINE >> 20} MiB")
        if line.startswith(b"#") or not line.strip():
            continue
        match _parse(line):
            case [moment, str(code), str(data)] if (time := _time_of(moment)) is not None:
                pass
            case _ if not line.endswith(b"\n"):
                return  # who wrote it was killed
            case _:
                raise Failure(f"{name}: line {number} is no event")
        wait, last = wait + (time if is_relative else max(0.0, time - last)), time
        if code == "o":
            yield Shown(min(wait, _LONGEST_WAIT), data.encode("utf-8", "replace"))
            wait = 0.0
        elif code == "x":
            break
    if wait:
        yield Shown(min(wait, _LONGEST_WAIT), b"")  # the last picture stays as long as it did


def _parse(line: bytes) -> Any:
    """Return what a line of JSON holds, None if it is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _time_of(value: object) -> float | None:
    """Return a number of seconds, None if it is none: JSON has no NaN, Python reads one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
