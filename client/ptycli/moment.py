"""Moments as docker takes them for ``--since`` and ``--until``, and as logs show them.

A Go duration (``1h30m``) before now, RFC 3339 with or without its end, a date, or Unix seconds with
a fraction. Without a zone it is local time. All moments are nanoseconds of Unix time.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from typing import Final

from ptycli.arguments import Failure

_SECOND: Final = 10**9
_UNITS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,  # U+00B5
    "μs": 10**3,  # U+03BC: Go takes both
    "ms": 10**6,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
}
_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_UNIX: Final = re.compile(r"(-?[0-9]{1,12})(?:\.([0-9]{0,18}))?")
_CALENDAR: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:T([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,18}))?)?)?)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?",
    re.IGNORECASE,
)
_LONGEST: Final = 64


def moment(text: str, now_ns: int) -> int:
    """Return the moment that ``text`` means; raise Failure."""
    if 0 < len(text) <= _LONGEST:
        if text != "0" and (duration := _duration(text)) is not None:
            return now_ns - duration
        if match := _UNIX.fullmatch(text):
            return int(match[1]) * _SECOND + _fraction(match[2])
        if match := _CALENDAR.fullmatch(text):
            try:
                return _on_calendar(match)
            except (ValueError, OverflowError):
                pass  # no such day
    raise Failure(
        f"{text!r}: a time is 2026-01-31T12:00:00Z (or a part of that), Unix seconds, or a "
        "duration before now such as 1h30m"
    )


@lru_cache(maxsize=16)  # many lines of one moment
def stamp(time_ns: int) -> str:
    """Return RFC 3339 with nanoseconds, always as wide, in UTC, as docker prints it."""
    return f"{when(time_ns).replace(tzinfo=None).isoformat()}.{time_ns % _SECOND:09d}Z"


def when(time_ns: int) -> dt.datetime:
    """Return the second of a moment, in UTC; a u64 of nanoseconds ends in 2554."""
    return dt.datetime.fromtimestamp(time_ns // _SECOND, dt.UTC)


def _duration(text: str) -> int | None:
    """Return nanoseconds of a Go duration (time.ParseDuration), None if it is none."""
    sign = -1 if text[0] == "-" else 1
    rest = text[1:] if text[0] in "+-" else text
    if rest == "0":
        return 0
    total, at = 0, 0
    while match := _PART.match(rest, at):
        if not (match[1] or match[2]):
            return None
        unit = _UNITS[match[3]]
        digits = match[2] or ""
        total += int(match[1] or "0") * unit + int(digits or "0") * unit // 10 ** len(digits)
        at = match.end()
    return sign * total if at and at == len(rest) else None


def _fraction(digits: str | None) -> int:
    return int((digits or "")[:9].ljust(9, "0"))


def _on_calendar(match: re.Match[str]) -> int:
    year, month, day, hour, minute, second = (int(match[i] or "0") for i in range(1, 7))
    zone = (match[8] or "").upper()
    when = dt.datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - zone comes below
    if zone == "Z":
        when = when.replace(tzinfo=dt.UTC)
    elif zone:
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        offset = dt.timedelta(hours=hours, minutes=minutes)
        when = when.replace(tzinfo=dt.timezone(-offset if zone[0] == "-" else offset))
    # Without a zone it is the user's: timestamp() asks the system for the offset of that day.
    whole = when - dt.datetime(1970, 1, 1, tzinfo=dt.UTC) if when.tzinfo else None
    seconds = int(when.timestamp()) if whole is None else whole.days * 86400 + whole.seconds
    return seconds * _SECOND + _fraction(match[7])
