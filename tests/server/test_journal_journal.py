"""The journal's laws: the bytes that were appended are there, in order, labelled and bounded."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ptyd.journal.index import (
    OUTPUT_KINDS,
    RECORD_SIZE,
    RESIZE,
    START,
    STDERR,
    STDOUT,
    TERMINAL,
)
from ptyd.journal.journal import MIN_LIMIT, Full, Journal
from ptyd.journal.segment import starts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEGMENT = 4096
LIMIT = 4 * SEGMENT
UNKNOWN = 0
LARGEST = 3000


class Append(NamedTuple):
    kind: int
    size: int


class Label(NamedTuple):
    """A label whose bytes never come: the server was killed between the two."""

    kind: int


class Mark(NamedTuple):
    kind: int
    a: int
    b: int


class Splice(NamedTuple):
    kind: int
    size: int


class Reopen(NamedTuple):
    """Killed, and started again; of the newest index ``torn`` bytes are lost, -1 the file."""

    torn: int


OPERATIONS = st.one_of(
    st.builds(Append, st.sampled_from(sorted(OUTPUT_KINDS)), st.integers(1, LARGEST)),
    st.builds(Splice, st.sampled_from(sorted(OUTPUT_KINDS)), st.integers(1, LARGEST)),
    st.builds(Label, st.sampled_from(sorted(OUTPUT_KINDS))),
    st.builds(Mark, st.sampled_from([RESIZE, START]), st.integers(0, 9), st.integers(0, 9)),
    st.builds(Reopen, st.just(0) | st.integers(-1, 100)),
)


def pattern(start: int, size: int) -> bytes:
    """Return bytes that depend on their offset: any that is lost, doubled or moved shows."""
    first = start // 4
    words = b"".join(number.to_bytes(4, "big") for number in range(first, first + size // 4 + 2))
    return words[start - 4 * first :][:size]


def open_journal(folder: str) -> Journal:
    """Open one that rotates after a few kilobytes, where the real ones take megabytes."""
    journal = Journal(folder)
    journal.limit, journal.segment_size = LIMIT, SEGMENT
    journal.open_for_writing()
    return journal


class Twin:
    """A journal, and what it ought to hold."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.journal = open_journal(folder)
        self.kinds = bytearray()
        self.pipe_r, self.pipe_w = os.pipe()

    def do(self, operation: Append | Label | Mark | Splice | Reopen) -> None:
        match operation:
            case Append(kind, size):
                self.journal.label(kind)
                assert self.journal.append(pattern(len(self.kinds), size)) == size
                self.kinds += bytes([kind]) * size
            case Splice(kind, size):
                os.write(self.pipe_w, pattern(len(self.kinds), size))
                self.journal.label(kind)
                assert self.journal.splice_from(self.pipe_r, size) == size
                self.kinds += bytes([kind]) * size
            case Label(kind):
                self.journal.label(kind)
            case Mark(kind, a, b):
                self.journal.mark(kind, a, b)
            case Reopen(torn):
                self.reopen(torn)

    def reopen(self, torn: int) -> None:
        self.journal.close()
        newest = starts(self.folder)[-1]
        path = f"{self.folder}/{newest:020d}.idx"
        if torn < 0:
            os.unlink(path)
        elif torn:
            os.truncate(path, max(0, os.path.getsize(path) - torn))
        if torn:
            self.kinds[newest:] = bytes([UNKNOWN]) * (len(self.kinds) - newest)
        self.journal = open_journal(self.folder)

    def close(self) -> None:
        self.journal.close()
        os.close(self.pipe_r)
        os.close(self.pipe_w)


@contextmanager
def twin() -> Iterator[Twin]:
    with tempfile.TemporaryDirectory(prefix="journal") as folder:
        made = Twin(folder + "/journal")
        try:
            yield made
        finally:
            made.close()


def read_all(journal: Journal) -> bytes:
    """Read as every reader does: in steps, until there is nothing."""
    data, offset = bytearray(), journal.start
    while chunk := journal.read(offset, 1000):
        data += chunk
        offset += len(chunk)
    return bytes(data)


def runs(journal: Journal) -> bytearray:
    """Return the kind of every byte held, as ``run_at`` tells it run by run."""
    kinds, offset = bytearray(), journal.start
    while offset < journal.end:
        kind, until = journal.run_at(offset)
        assert offset < until <= journal.end
        kinds += bytes([kind]) * (until - offset)
        offset = until
    return kinds


@given(st.lists(OPERATIONS, max_size=40))
@example([Label(STDOUT), Label(STDERR)] * 6 + [Append(STDERR, 5)])
@example([Mark(RESIZE, 1, 1)] * 12 + [Append(STDERR, 5)])
@example([Append(STDERR, LARGEST)] * 9)
@example([Mark(START, 1, 0), *[Append(STDERR, LARGEST)] * 9, Reopen(0), Append(STDOUT, 1)])
@settings(max_examples=150)
def test_what_was_appended_is_read_back(
    operations: list[Append | Label | Mark | Splice | Reopen],
) -> None:
    """From start to end every byte is what it was and of the kind it was, whatever happened."""
    with twin() as it:
        for operation in operations:
            it.do(operation)
        journal = it.journal
        start, end = journal.start, journal.end
        kinds = runs(journal)
        wanted = it.kinds[start:]

        assert end == len(it.kinds)
        assert read_all(journal) == pattern(start, end - start)
        assert set(kinds) <= OUTPUT_KINDS
        assert all(
            kind == want for kind, want in zip(kinds, wanted, strict=True) if want != UNKNOWN
        )
        assert journal.damage == ""


@given(st.lists(st.builds(Append, st.just(TERMINAL), st.integers(1, LARGEST)), max_size=60))
@settings(max_examples=60)
def test_the_total_is_bounded_and_the_newest_stays(appends: list[Append]) -> None:
    """At most a segment and its index more than the limit is kept, at least half of the limit."""
    with twin() as it:
        total = 0
        for append in appends:
            it.do(append)
            total += append.size
            held = it.journal.end - it.journal.start

            assert it.journal.size <= LIMIT + SEGMENT + SEGMENT // 16 + LARGEST + 8 * RECORD_SIZE
            assert held >= min(total, LIMIT // 2)
        on_disk = sum(entry.stat().st_size for entry in os.scandir(it.folder))

        assert on_disk == it.journal.size


@given(st.lists(OPERATIONS, max_size=25), st.integers(0, 3 * SEGMENT))
@settings(max_examples=80)
def test_a_reader_of_another_process_sees_the_same(
    operations: list[Append | Label | Mark | Splice | Reopen], offset: int
) -> None:
    """``logs`` loads the folder of a journal that is being written: from any offset it agrees."""
    with twin() as it:
        for operation in operations:
            it.do(operation)
        other = Journal(it.folder)
        other.load()
        try:
            assert (other.start, other.end) == (it.journal.start, it.journal.end)
            assert other.read(other.end, 10) == b""
            if other.start <= offset < other.end:
                assert other.read(offset, 9) == pattern(offset, 9)[: len(other.read(offset, 9))]
                assert other.run_at(offset) == it.journal.run_at(offset)
                place = other.place(offset)
                assert os.pread(place.fd, 1, place.position) == pattern(offset, 1)
                assert 0 < place.available <= other.end - offset
        finally:
            other.close()


def test_the_epoch_and_the_size_outlive_rotation(tmp_path: Path) -> None:
    """Each segment repeats them at its start, so dropping history drops neither."""
    it = Twin(str(tmp_path / "j"))
    it.do(Mark(START, 7, 0))
    it.do(Mark(RESIZE, 24, 80))
    it.do(Append(TERMINAL, 10))
    it.do(Mark(RESIZE, 50, 132))
    for _ in range(20):
        it.do(Append(TERMINAL, LARGEST))
    first = [r for r in it.journal.records() if r.offset == it.journal.start]
    it.close()

    assert it.journal.start > 0
    assert [(r.kind, r.a, r.b) for r in first[:2]] == [(START, 7, 0), (RESIZE, 50, 132)]


@pytest.mark.parametrize("index_too", [True, False])
def test_they_outlive_a_kill_in_the_middle_of_a_rotation(
    tmp_path: Path, *, index_too: bool
) -> None:
    """The new files are there and nothing is in them: the next rotation still repeats both."""
    it = Twin(str(tmp_path))
    it.do(Mark(START, 7, 0))
    it.do(Mark(RESIZE, 24, 80))
    it.do(Append(STDERR, 3000))
    (tmp_path / f"{3000:020d}.out").touch()
    if index_too:
        (tmp_path / f"{3000:020d}.idx").touch()
    it.do(Reopen(0))
    for _ in range(20):
        it.do(Append(STDERR, LARGEST))
    context = {(r.kind, r.a, r.b) for r in it.journal.records() if r.kind in (START, RESIZE)}
    kinds = runs(it.journal)
    it.close()

    assert it.journal.start > 3000
    assert context == {(START, 7, 0), (RESIZE, 24, 80)}
    assert set(kinds) == {STDERR}


def test_a_window_that_is_dragged_around_costs_nothing(tmp_path: Path) -> None:
    """Resizes that no byte follows are one record: their number is the client's, the disk ours."""
    it = Twin(str(tmp_path))
    it.do(Mark(START, 1, 0))
    for number in range(1000):
        it.do(Mark(RESIZE, 24, number))
    it.do(Append(TERMINAL, 1))
    it.do(Mark(RESIZE, 50, 1))
    it.do(Reopen(0))
    sizes = [(r.offset, r.a, r.b) for r in it.journal.records() if r.kind == RESIZE]
    size = it.journal.size
    it.close()

    assert sizes == [(0, 24, 999), (1, 50, 1)]
    assert size == 4 * RECORD_SIZE + 1


def test_the_limit_has_a_floor() -> None:
    """Less than four segments of the least size would drop what nobody could have read."""
    journal = Journal("/nowhere", limit=1)

    assert journal.limit == MIN_LIMIT
    assert journal.segment_size * 4 <= journal.limit


def test_bytes_before_a_hole_are_damage(tmp_path: Path) -> None:
    """A segment in the middle is gone: say so, and go on with what is whole."""
    it = Twin(str(tmp_path))
    for _ in range(4):
        it.do(Append(TERMINAL, LARGEST))
        it.do(Append(TERMINAL, LARGEST))
    found = starts(str(tmp_path))
    assert len(found) > 2
    os.unlink(tmp_path / f"{found[1]:020d}.out")
    it.do(Reopen(0))
    journal = it.journal
    held = read_all(journal)
    it.close()

    assert journal.start == found[2]
    assert journal.damage == f"bytes {found[1]} to {found[2]} are missing"
    assert held == pattern(journal.start, journal.end - journal.start)


def test_damage_is_counted_and_the_first_to_go(tmp_path: Path) -> None:
    """The limit bounds what is on disk, also what nobody can read; till then it can be saved."""
    it = Twin(str(tmp_path))
    for _ in range(6):
        it.do(Append(TERMINAL, LARGEST))
    found = starts(str(tmp_path))
    os.unlink(tmp_path / f"{found[1]:020d}.out")
    it.do(Reopen(0))
    kept = starts(str(tmp_path))
    left: list[list[int]] = []
    for _ in range(12):
        it.do(Append(TERMINAL, LARGEST))
        left.append([each for each in starts(str(tmp_path)) if each in found])
    on_disk = sum(path.stat().st_size for path in tmp_path.iterdir())
    it.close()

    assert kept == [found[0], *found[2:]]
    assert found[2:] in left  # the damage had gone, and nothing else
    assert on_disk <= LIMIT + SEGMENT


def test_an_offset_before_the_start_is_a_misuse(tmp_path: Path) -> None:
    """Readers compare with ``start`` first; who does not learns it."""
    it = Twin(str(tmp_path))
    for _ in range(20):
        it.do(Append(TERMINAL, LARGEST))
    with pytest.raises(IndexError, match="before the journal's start"):
        it.journal.place(0)
    it.close()


def test_many_laggards_do_not_hold_many_files(tmp_path: Path) -> None:
    """Sealed segments are closed again when others are read."""
    it = Twin(str(tmp_path))
    it.journal.limit = 100 * SEGMENT
    for _ in range(60):
        it.do(Append(TERMINAL, LARGEST))
    before = len(os.listdir("/proc/self/fd"))
    for offset in range(0, it.journal.end, 100):
        assert it.journal.read(offset, 4) == pattern(offset, 4)[: len(it.journal.read(offset, 4))]
    after = len(os.listdir("/proc/self/fd"))
    it.close()

    assert after - before <= 5


def test_the_oldest_goes_never_the_one_being_written(tmp_path: Path) -> None:
    """``drop_oldest`` says when there is nothing more to drop."""
    it = Twin(str(tmp_path))
    for _ in range(5):
        it.do(Append(TERMINAL, LARGEST))
    while it.journal.drop_oldest():
        pass
    last = it.journal.end
    it.do(Append(TERMINAL, 10))
    held = read_all(it.journal)
    it.close()

    assert len(starts(str(tmp_path))) == 1
    assert held.endswith(pattern(last, 10))


def test_full_is_an_error_of_its_own() -> None:
    """Callers tell a full disk from a broken one."""
    assert issubclass(Full, OSError)
