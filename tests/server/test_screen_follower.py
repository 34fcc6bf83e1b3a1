"""The follower: what it does at a start, and what it says to queries, in order."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ptyd.journal.index import RESIZE, START, TERMINAL
from ptyd.journal.journal import MIN_LIMIT, Journal
from ptyd.screen.emulator import Emulator
from ptyd.screen.follower import Follower, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS, COLS = 10, 40
KEEP = MIN_LIMIT // 8


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(str(tmp_path / "journal"), limit=MIN_LIMIT)
    opened.open_for_writing()
    yield opened
    opened.close()


@pytest.fixture
def follower(journal: Journal) -> Iterator[Follower]:
    follower = Follower(journal.folder, ROWS, COLS, 1000, KEEP)
    yield follower
    follower.close()


def write(journal: Journal, data: bytes) -> int:
    journal.label(TERMINAL)
    assert journal.append(data) == len(data)
    return journal.end


def follow(follower: Follower, end: int) -> bytes:
    """Read up to ``end`` and return a snapshot of that."""
    follower.grow(end)
    while follower.is_behind:
        follower.step(1000)
    return follower.emulator.snapshot()


def snapshot_of(data: bytes, rows: int, cols: int) -> bytes:
    fresh = Emulator(rows, cols)
    fresh.feed(data)
    try:
        return fresh.snapshot()
    finally:
        fresh.close()


@pytest.mark.parametrize("is_late", [False, True])
def test_a_program_that_starts_anew_begins_on_a_blank_screen(
    follower: Follower, journal: Journal, *, is_late: bool
) -> None:
    """In the default modes, in whatever state the old one left the terminal."""
    journal.mark(START, 1)
    end = write(journal, b"history\r\n" * 30 + b"\x1b[?1049h\x1b[5;7r\x1b[31;1mold\x1b]0;title")
    if not is_late:
        follow(follower, end)
    journal.mark(START, 2)
    journal.mark(RESIZE, 12, 50)
    end = write(journal, b"new")

    assert follow(follower, end) == snapshot_of(b"new", 12, 50)


def test_the_start_that_each_segment_repeats_is_none(follower: Follower, journal: Journal) -> None:
    """Neither for who reads on, nor for who goes on from a state that was kept."""
    journal.mark(START, 1)
    journal.mark(RESIZE, ROWS, COLS)
    end = 0
    for number in range(40):
        end = write(journal, b"\x1b[31mred %d\r\n" % number * 400)
    picture = follow(follower, end)
    late = Follower(journal.folder, ROWS, COLS, 1000, KEEP)
    kept = follow(late, end)
    late.close()

    assert len(journal.segments) > 2
    assert picture.count(b"red 39") == picture.count(b"red 38") == 400
    assert kept == picture


def test_a_query_that_was_passed_is_not_waited_for(follower: Follower, journal: Journal) -> None:
    """Asked about too late: there is no answer to it any more, and the next has its own."""
    end = write(journal, b"ab\x1b[6n")
    follow(follower, end)
    later = write(journal, b"\x1b[6n")
    follower.expect_queries([(2, end), (end, later)])
    follow(follower, later)

    assert follower.take_replies() == [Reply(end, b""), Reply(later, b"\x1b[1;3R")]


def test_a_state_that_takes_too_much_is_not_kept(journal: Journal) -> None:
    """What the screen keeps is bounded as well as what is printed."""
    follower = Follower(journal.folder, ROWS, COLS, 1000, 1000)
    end = 0
    for number in range(40):
        end = write(journal, b"\x1b[31mred %d\r\n" % number * 400)
    follow(follower, end)
    follower.close()

    assert not [name for name in os.listdir(journal.folder) if ".snap" in name]
