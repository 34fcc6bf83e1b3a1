"""Segments: a file of bytes, a file of records, and the end is where the file ends."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from ptyd.journal.index import EXIT, RESIZE, STDERR, STDOUT, TERMINAL, Record
from ptyd.journal.segment import Segment, starts

if TYPE_CHECKING:
    from pathlib import Path


def make(folder: Path, start: int, data: bytes, records: list[Record]) -> Segment:
    segment = Segment.create(str(folder), start)
    for record in records:
        segment.add_record(record)
    os.write(segment.fd, data)
    segment.close()
    return Segment.load(str(folder), start)


def test_the_files_are_named_by_where_they_start(tmp_path: Path) -> None:
    """Twenty digits, so that names sort as offsets; private."""
    Segment.create(str(tmp_path), 1234).close()
    path = tmp_path / "00000000000000001234.out"

    assert starts(str(tmp_path)) == [1234]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.with_suffix(".idx").stat().st_mode & 0o777 == 0o600


def test_other_files_are_no_segments(tmp_path: Path) -> None:
    """What lies in the folder besides is not looked at."""
    for name in (".splice", "notes.out", f"{7:020d}.idx", f"{9:020d}.snap"):
        (tmp_path / name).touch()
    Segment.create(str(tmp_path), 1 << 63).close()

    assert starts(str(tmp_path)) == [1 << 63]


def test_a_segment_ends_where_its_file_does(tmp_path: Path) -> None:
    """No other number is kept anywhere, so none can be wrong."""
    segment = make(tmp_path, 100, b"x" * 37, [])

    assert (segment.start, segment.end) == (100, 137)


def test_creating_one_twice_is_refused(tmp_path: Path) -> None:
    """Bytes are never written over."""
    Segment.create(str(tmp_path), 0).close()

    with pytest.raises(FileExistsError):
        Segment.create(str(tmp_path), 0)


def test_a_creation_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second file cannot be made: the first goes too, or it would stay in the way."""
    real_open = os.open

    def open_but_no_index(path: str, flags: int, mode: int = 0o777) -> int:
        if path.endswith(".idx"):
            raise OSError(errno.ENOSPC, "no space", path)
        return real_open(path, flags, mode)

    monkeypatch.setattr(os, "open", open_but_no_index)
    with pytest.raises(OSError, match=r"\.idx"):
        Segment.create(str(tmp_path), 5)

    assert starts(str(tmp_path)) == []


def test_kinds_hold_until_the_next_one(tmp_path: Path) -> None:
    """Moments in between do not end a run; the last one holds to the end."""
    records = [
        Record(0, 1, STDOUT),
        Record(4, 2, RESIZE, 24, 80),
        Record(6, 3, STDERR),
        Record(8, 4, STDERR),
        Record(9, 5, STDOUT),
        Record(12, 6, EXIT),
    ]
    segment = make(tmp_path, 0, b"0123456789ab", records)

    assert [segment.run_at(offset, TERMINAL) for offset in (0, 5, 6, 8, 9, 11)] == [
        (STDOUT, 6),
        (STDOUT, 6),
        (STDERR, 9),
        (STDERR, 9),
        (STDOUT, 12),
        (STDOUT, 12),
    ]


def test_a_label_without_bytes_says_nothing(tmp_path: Path) -> None:
    """A kill after the record and before its bytes: the next record is the one that counts."""
    segment = make(tmp_path, 0, b"abc", [Record(0, 1, STDOUT), Record(0, 2, STDERR)])

    assert segment.run_at(0, TERMINAL) == (STDERR, 3)


def test_bytes_without_an_index_are_of_the_default_kind(tmp_path: Path) -> None:
    """A power loss may take the index."""
    segment = make(tmp_path, 0, b"abc", [])
    (tmp_path / f"{0:020d}.idx").unlink()
    again = Segment.load(str(tmp_path), 0)

    assert segment.run_at(1, STDERR) == again.run_at(1, STDERR) == (STDERR, 3)


def test_removed_bytes_stay_with_who_reads_them(tmp_path: Path) -> None:
    """A reader in the middle of a file is not cut off by its deletion."""
    segment = make(tmp_path, 0, b"history", [])
    reading = os.dup(segment.fd)
    segment.remove()

    assert os.listdir(tmp_path) == []
    assert os.pread(reading, 100, 0) == b"history"
    os.close(reading)


def test_removing_twice_is_harmless(tmp_path: Path) -> None:
    """Somebody cleaned up by hand."""
    segment = make(tmp_path, 0, b"", [])
    segment.remove()
    segment.remove()

    assert os.listdir(tmp_path) == []
