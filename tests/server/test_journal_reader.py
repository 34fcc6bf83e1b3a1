"""A reader beside a writer: every byte once, labelled, in order, whatever becomes of the files."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ptyd.journal.index import EXIT, RESIZE, START, STDERR, STDOUT, TERMINAL, Record
from ptyd.journal.reader import Extent, Reader, Run
from written_journal import NOW, OUTPUT, Moment, Printed, WrittenJournal, by_kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest


def drain(reader: Reader, **options: bool) -> Iterator[tuple[Extent, Run, bytes]]:
    """Yield the runs that there are, with their bytes."""
    while (extent := reader.take(**options)) is not None:
        for item in extent.items:
            if isinstance(item, Run):
                yield extent, item, extent.read(item.start, item.end)


def marks(reader: Reader, *, final: bool = True) -> list[Record]:
    found: list[Record] = []
    while (extent := reader.take(final=final)) is not None:
        found += [item for item in extent.items if isinstance(item, Record)]
    return found


@given(OUTPUT, st.integers(1, 60), st.lists(st.booleans(), min_size=30, max_size=30))
@settings(max_examples=150)
def test_what_is_written_is_read(items: list[Printed], size: int, looks: list[bool]) -> None:
    """Of each kind every byte, once, in order and with its time, looked for at any moment."""
    with tempfile.TemporaryDirectory() as folder:
        journal, reader = WrittenJournal(folder, size), Reader(folder)
        read: list[Printed] = []
        for item, look in zip(items, looks, strict=False):
            journal.print(item)
            if look:
                read += [Printed(run.kind, run.time_ns, data) for _, run, data in drain(reader)]
        read += [Printed(run.kind, run.time_ns, data) for _, run, data in drain(reader, final=True)]
        journal.close()
        reader.close()

    assert by_kind(read) == by_kind(items)
    assert [(one.kind, one.time_ns, byte) for one in read for byte in one.data] == [
        (one.kind, one.time_ns, byte) for one in items for byte in one.data
    ]


@given(OUTPUT, st.integers(1, 60), st.lists(st.integers(0, 3), min_size=30, max_size=30))
@settings(max_examples=150)
def test_what_is_dropped_is_counted(items: list[Printed], size: int, fates: list[int]) -> None:
    """A reader that is overtaken is told how many bytes are missing; nothing else is."""
    with tempfile.TemporaryDirectory() as folder:
        journal, reader = WrittenJournal(folder, size), Reader(folder)
        whole = b"".join(item.data for item in items)
        extents: list[tuple[Extent, bytes]] = []
        for item, fate in zip(items, fates, strict=False):
            journal.print(item)
            if fate == 1:
                journal.drop_oldest()
            while fate == 2 and (extent := reader.take()) is not None:
                extents.append((extent, extent.read(extent.start, extent.end)))
        journal.close()
        reader.close()

    position = extents[0][0].start if extents else 0
    for extent, data in extents:
        assert extent.start == position + extent.gap
        assert data == whole[extent.start : extent.end]
        position = extent.end


@given(OUTPUT, st.binary(max_size=200), st.integers(0, 3))
def test_an_index_that_is_garbage_loses_no_byte(
    items: list[Printed], garbage: bytes, where: int
) -> None:
    """Torn, cut off, or nonsense: every byte is read once, in order, labelled as best one can."""
    with tempfile.TemporaryDirectory() as folder:
        journal, reader = WrittenJournal(folder, 100), Reader(folder)
        journal.write(items)
        journal.close()
        paths = sorted(name for name in os.listdir(folder) if name.endswith(".idx"))
        path = f"{folder}/{paths[where % len(paths)]}"
        with open(path, "r+b") as file:
            file.seek(where * 7)
            file.write(garbage)
            file.truncate()
        read = b"".join(data for _, _, data in drain(reader, final=True))
        reader.close()

    assert read == b"".join(item.data for item in items)


def test_a_segment_that_is_dropped_while_it_is_read_is_still_labelled(tmp_path: Path) -> None:
    """Its files stay open: what of it was standard error is not taken for standard output."""
    journal, reader = WrittenJournal(str(tmp_path), 10), Reader(str(tmp_path))
    journal.write([Printed(STDOUT, NOW, b"one\n")])
    first = [run.kind for _, run, _ in drain(reader)]
    journal.write([Printed(STDERR, NOW, b"two two\n"), Printed(STDOUT, NOW, b"3\n")])
    journal.drop_oldest()
    rest = [(run.kind, data) for _, run, data in drain(reader)]
    journal.close()
    reader.close()

    assert first == [STDOUT]
    assert rest == [(STDERR, b"two two\n"), (STDOUT, b"3\n")]


def test_a_removed_journal_has_no_more(tmp_path: Path) -> None:
    """What is open is read to its end, and then there is nothing."""
    folder = tmp_path / "journal"
    journal, reader = WrittenJournal(str(folder)), Reader(str(folder))
    journal.write([Printed(TERMINAL, NOW, b"a")])
    before = [data for _, _, data in drain(reader)]
    journal.write([Printed(TERMINAL, NOW, b"b")])
    shutil.rmtree(folder)
    after = [data for _, _, data in drain(reader)]
    journal.close()

    assert (before, after, reader.is_gone) == ([b"a"], [b"b"], True)
    reader.close()


def test_context_that_a_segment_repeats_is_said_once(tmp_path: Path) -> None:
    """Start and size are what every segment begins with; a reader that goes on has them."""
    journal, reader = WrittenJournal(str(tmp_path), 1), Reader(str(tmp_path))
    journal.write([Moment(START, NOW, 1), Moment(RESIZE, NOW, 24, 80)])
    journal.write([Printed(TERMINAL, NOW, b"%d" % number) for number in range(5)])
    journal.write([Moment(RESIZE, NOW + 1, 30, 90), Moment(EXIT, NOW + 1, 7)])
    found = marks(reader)
    journal.close()
    reader.close()

    assert [(mark.kind, mark.a) for mark in found] == [
        (START, 1),
        (RESIZE, 24),
        (RESIZE, 30),
        (EXIT, 7),
    ]


def test_a_resize_that_another_replaces_is_not_told(tmp_path: Path) -> None:
    """A window that is dragged: the record at the end is written anew, and read when it holds."""
    journal, reader = WrittenJournal(str(tmp_path)), Reader(str(tmp_path))
    journal.write([Printed(TERMINAL, NOW, b"a"), Moment(RESIZE, NOW, 24, 80)])
    early = marks(reader, final=False)
    journal.segment.add_record(Record(1, NOW + 1, RESIZE, 30, 90), replace=True)
    journal.write([Printed(TERMINAL, NOW, b"b")])
    late = marks(reader, final=False)
    journal.close()
    reader.close()

    assert (early, [mark.a for mark in late]) == ([], [30])


def test_a_limit_is_kept(tmp_path: Path) -> None:
    """A program that prints faster than one reads does not keep a reader for ever."""
    journal, reader = WrittenJournal(str(tmp_path), 4), Reader(str(tmp_path))
    journal.write([Printed(TERMINAL, NOW, b"0123"), Printed(TERMINAL, NOW, b"4567")])
    limit = reader.end()
    journal.write([Printed(TERMINAL, NOW, b"89")])
    read = b""
    while (extent := reader.take(limit=limit)) is not None:
        read += extent.read(extent.start, extent.end)
    rest = b"".join(data for _, _, data in drain(reader))
    journal.close()
    reader.close()

    assert (read, rest) == (b"01234567", b"89")


def test_a_limit_within_a_segment_that_is_sealed_since(tmp_path: Path) -> None:
    """The rest of it is still to be read; nothing is missing."""
    journal, reader = WrittenJournal(str(tmp_path), 4), Reader(str(tmp_path))
    journal.write([Printed(TERMINAL, NOW, b"0123456"), Printed(TERMINAL, NOW, b"78")])
    extents = []
    for limit in (3, 3, 5, 9):
        while (extent := reader.take(limit=limit)) is not None:
            extents.append((extent.gap, extent.read(extent.start, extent.end)))
    journal.close()
    reader.close()

    assert extents == [(0, b"012"), (0, b"34"), (0, b"56"), (0, b"78")]


def test_a_hole_is_a_gap(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Bytes that a power loss took from the middle are counted, and what was before is read."""
    journal, reader = WrittenJournal(str(tmp_path), 4), Reader(str(tmp_path))
    request.addfinalizer(reader.close)
    journal.write([Printed(TERMINAL, NOW, b"0123"), Printed(TERMINAL, NOW, b"45")])
    journal.close()
    os.truncate(tmp_path / f"{0:020}.out", 3)
    extents = []
    while (extent := reader.take(final=True)) is not None:
        extents.append((extent.gap, extent.read(extent.start, extent.end)))

    assert extents == [(0, b"012"), (1, b"45")]
