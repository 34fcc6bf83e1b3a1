"""Index records: 32 bytes that say what the bytes of a journal are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ptyd.journal import index
from ptyd.journal.index import RECORD_SIZE, Record, pack, parse

U64 = st.integers(0, (1 << 64) - 1)
U32 = st.integers(0, (1 << 32) - 1)
RECORDS = st.builds(Record, U64, U64, st.integers(0, 255), U32, U32)
LAST = (1 << 64) - 1


@given(st.lists(RECORDS, max_size=20))
def test_records_survive_the_file(records: list[Record]) -> None:
    """parse(pack(r)) == r, at 32 bytes each."""
    data = b"".join(map(pack, records))

    assert len(data) == RECORD_SIZE * len(records) == 32 * len(records)
    assert parse(data, LAST) == records


@given(st.lists(RECORDS, max_size=8), st.data())
def test_a_torn_file_keeps_its_whole_records(records: list[Record], data: st.DataObject) -> None:
    """Cut anywhere, what is left are the records before the cut."""
    packed = b"".join(map(pack, records))
    cut = data.draw(st.integers(0, len(packed)))

    assert parse(packed[:cut], LAST) == records[: cut // RECORD_SIZE]


@given(st.lists(RECORDS, max_size=8), U64)
def test_records_beyond_the_end_are_left_out(records: list[Record], end: int) -> None:
    """A record whose bytes never came says nothing about those that come instead."""
    held = parse(b"".join(map(pack, records)), end)

    assert held == [record for record in records if record.offset <= end]


@given(st.binary(max_size=400), U64)
def test_no_bytes_make_it_raise(data: bytes, end: int) -> None:
    """Damage is not an exception."""
    assert all(record.offset <= end for record in parse(data, end))


def test_numbers_are_those_of_the_format() -> None:
    """Kinds are on disks: they never change (the folder's ``format`` is 1)."""
    kinds = ("TERMINAL", "STDOUT", "STDERR", "RESIZE", "START", "EXIT", "GAP", "TITLE")

    assert [getattr(index, kind) for kind in kinds] == list(range(1, 9))
    assert pack(Record(1, 2, 3, 4, 5)).hex() == (
        "0000000000000001000000000000000203000000000000040000000500000000"
    )
