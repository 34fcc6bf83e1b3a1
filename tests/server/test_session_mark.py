"""Marks: each reader is told each of them once, in order, from its own place on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ptyd.journal.index import EXIT, RESIZE, START, STDOUT, TERMINAL, TITLE, Record
from ptyd.session.mark import KEPT, Mark, Marks

STEPS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([RESIZE, EXIT])), max_size=40)


def fill(steps: list[tuple[int, int]]) -> tuple[Marks, list[int]]:
    """Return marks, each some bytes after the last, and their offsets."""
    marks, offsets, offset = Marks(), [], 0
    for number, (bytes_between, kind) in enumerate(steps):
        offset += bytes_between
        marks.add(Record(offset, 0, kind, number, 80))
        offsets.append(offset)
    return marks, offsets


def read(marks: Marks, start: int) -> list[Mark]:
    """Return what a reader that starts at ``start`` is told."""
    told = []
    number = marks.number_at(start)
    while (mark := marks.next_after(number)) is not None:
        told.append(mark)
        number = mark.number + 1
    return told


@given(STEPS, st.integers(0, 100))
def test_a_reader_is_told_what_follows_its_place(steps: list[tuple[int, int]], start: int) -> None:
    """Everything at its offset or later, once, in order; nothing before."""
    marks, offsets = fill(steps)

    assert [mark.offset for mark in read(marks, start)] == [o for o in offsets if o >= start]


@given(STEPS, STEPS, st.integers(0, 100))
def test_marks_that_come_later_are_told_later(
    before: list[tuple[int, int]], after: list[tuple[int, int]], start: int
) -> None:
    """A number that was handed out stays good while marks are added."""
    marks, offsets = fill(before)
    number = marks.number_at(start)
    while (mark := marks.next_after(number)) is not None:
        number = mark.number + 1
    end = max([start, *offsets])  # a reader's place is never beyond the end
    for size, kind in after:
        end += size
        marks.add(Record(end, 0, kind))
    told = []
    while (mark := marks.next_after(number)) is not None:
        told.append(mark)
        number = mark.number + 1

    assert [mark.number for mark in told] == list(range(len(before), len(before) + len(after)))


def test_their_fields_are_those_of_the_events() -> None:
    """Resizes and the exit, with the offset that they belong to."""
    marks = Marks()
    marks.add(Record(7, 0, RESIZE, 24, 80))
    marks.add(Record(9, 0, EXIT, 130))
    resize, end = read(marks, 0)

    assert resize.fields == {"event": "resized", "end": 7, "rows": 24, "cols": 80}
    assert end.fields == {"event": "exited", "end": 9, "status": 130}
    assert (resize.is_exit, end.is_exit) == (False, True)


def test_labels_of_bytes_are_no_marks() -> None:
    """Only what a client is told is one."""
    marks = Marks()
    for kind in (TERMINAL, STDOUT, START, TITLE):
        marks.add(Record(1, 0, kind))

    assert read(marks, 0) == []


def test_the_oldest_are_forgotten() -> None:
    """Their number is bounded; a reader who is that far behind goes on with the oldest held."""
    marks = Marks()
    for offset in range(KEPT + 10):
        marks.add(Record(offset, 0, RESIZE, 1, 1))

    assert [mark.offset for mark in read(marks, 0)] == list(range(10, KEPT + 10))
    assert read(marks, KEPT + 9)[0].offset == KEPT + 9
    next_mark = marks.next_after(0)
    assert next_mark is not None
    assert next_mark.offset == 10
