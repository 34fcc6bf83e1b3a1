"""What ``--since`` and ``--until`` take is what docker takes."""

from __future__ import annotations

import datetime as dt
import os
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycli.arguments import Failure
from ptycli.moment import moment, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = 10**9
NOW = 1_800_000_000 * SECOND + 123


@pytest.fixture
def in_berlin() -> Iterator[None]:
    """An hour before UTC in winter, two in summer; given as POSIX has it, no files needed."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "CET-1CEST,M3.5.0,M10.5.0/3"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def at(*fields: int) -> int:
    return int(dt.datetime(*fields, tzinfo=dt.UTC).timestamp()) * SECOND  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1h30m", 5400 * SECOND),
        ("90s", 90 * SECOND),
        ("1.5h", 5400 * SECOND),
        (".5s", SECOND // 2),
        ("100ms", SECOND // 10),
        ("3us", 3000),
        ("7ns", 7),
        ("-10s", -10 * SECOND),
        ("+2m", 120 * SECOND),
    ],
)
def test_a_duration_is_before_now(text: str, ns: int) -> None:
    """Go's notation; a negative one is a moment to come."""
    assert moment(text, NOW) == NOW - ns


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-01-02T03:04:05Z", at(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02T03:04:05.000000007Z", at(2026, 1, 2, 3, 4, 5) + 7),
        ("2026-01-02T03:04:05.5+02:00", at(2026, 1, 2, 1, 4, 5) + SECOND // 2),
        ("2026-01-02T03:04-01:30", at(2026, 1, 2, 4, 34)),
        ("2026-01-02Z", at(2026, 1, 2)),
        ("2026-01-02T03:04:05", at(2026, 1, 2, 2, 4, 5)),
        ("2026-07-02T03:04", at(2026, 7, 2, 1, 4)),
        ("2026-07-02T03", at(2026, 7, 2, 1)),
        ("2026-07-02", at(2026, 7, 1, 22)),
        ("0", 0),
        ("1136073600", 1136073600 * SECOND),
        ("1136073600.000000001", 1136073600 * SECOND + 1),
        ("1136073600.5", 1136073600 * SECOND + SECOND // 2),
    ],
)
@pytest.mark.usefixtures("in_berlin")
def test_a_date_or_unix_time_is_itself(text: str, wanted: int) -> None:
    """Without a zone it is the user's, also over a change of summer time."""
    assert moment(text, NOW) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "1h30", "h", "1x", ".", "-", "2026-02-30", "2026-13-01", "12:00", "1e9"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """In one line that says what would be one."""
    with pytest.raises(Failure, match="a time is"):
        moment(text, NOW)


@given(st.text(max_size=70) | st.from_regex(r"[0-9hms.:TZ+-]{0,30}", fullmatch=True))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    """Nothing else ever happens."""
    try:
        assert isinstance(moment(text, NOW), int)
    except Failure:
        pass


@given(st.integers(0, 4_000_000_000 * SECOND))
def test_a_stamp_is_as_wide_as_any_and_is_read_back(time_ns: int) -> None:
    """Columns stay where they are, and what was shown can be asked for."""
    assert len(stamp(time_ns)) == len("2014-09-16T06:17:46.000000000Z")
    assert moment(stamp(time_ns), NOW) == time_ns


def test_any_time_of_an_index_has_a_stamp() -> None:
    """One may hold anything after a power loss."""
    assert stamp((1 << 64) - 1) == "2554-07-21T23:34:33.709551615Z"
