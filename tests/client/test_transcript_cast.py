"""Recordings are read as they were written, and nothing else is taken for one."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycli.arguments import Failure
from ptycli.record import encode
from ptycli.transcript.asciicast import Asciicast
from ptycli.transcript.cast import LONGEST_LINE, Shown, read_cast
from ptyd.journal.index import EXIT, RESIZE, TERMINAL, Record
from ptyd.journal.reader import Extent, Run
from written_journal import NOW, SECOND, Printed, printed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def shown(lines: Sequence[bytes]) -> list[Shown]:
    return list(read_cast("it", io.BytesIO(b"".join(lines))).shown)


@given(printed([TERMINAL]))
def test_what_we_write_we_read(items: list[Printed]) -> None:
    """Every byte of text, and no more time than there was."""
    form = Asciicast({}, rows=24, cols=80)
    said = b"".join(form.feed(*item) for item in items)
    said += form.mark(Record(0, NOW + 9 * SECOND, EXIT, 0)) + form.finish()
    found = shown([line + b"\n" for line in said.split(b"\n")[:-1]])
    text = b"".join(item.data for item in items).decode("utf-8", "replace")

    assert b"".join(each.data for each in found).decode() == text
    assert all(each.wait >= 0 for each in found)


def test_version_2_has_times_of_its_own() -> None:
    """They are since the beginning; those of version 3 since the event before."""
    events = [b'[1.0, "o", "a"]\n', b"# said\n", b'[1.5, "r", "80x24"]\n', b'[2.0, "o", "b"]\n']
    second = shown([b'{"version": 2, "width": 80, "height": 24}\n', *events])
    third = shown([b'{"version": 3, "term": {"cols": 80, "rows": 24}}\n', *events])

    assert [(each.wait, each.data) for each in second] == [(1.0, b"a"), (1.0, b"b")]
    assert [(each.wait, each.data) for each in third] == [(1.0, b"a"), (3.5, b"b")]


def test_a_line_that_was_cut_is_the_end() -> None:
    """Who wrote it was killed; what is whole is shown."""
    found = shown([b'{"version": 3, "term": {}}\n', b'[1, "o", "a"]\n', b'[1, "o", "b'])

    assert [each.data for each in found] == [b"a"]


def test_a_flood_is_recorded_in_lines_that_can_be_played(tmp_path: Path) -> None:
    """A whole segment of control characters, each of which is six bytes in JSON."""
    size = 4 << 20
    path = tmp_path / "segment"
    path.write_bytes(bytes(size))
    with path.open("rb") as file:
        run = Run(TERMINAL, NOW, 0, size)
        extent = Extent(str(path), file.fileno(), 0, 0, size, [run])
        lines = b"".join(encode(Asciicast({}, rows=24, cols=80), extent)).splitlines(keepends=True)

    assert max(map(len, lines)) <= LONGEST_LINE
    assert b"".join(each.data for each in shown(lines)) == bytes(size)


def test_a_line_without_an_end_is_not_read_to_it() -> None:
    """The bound is told; a first line like that is of something else."""
    endless = bytes(LONGEST_LINE + 2)

    with pytest.raises(Failure, match="it: line 2 is longer than 16 MiB"):
        shown([b'{"version": 3, "term": {}}\n', endless])
    with pytest.raises(Failure, match="no asciicast"):
        shown([endless])


BAD_LINES = {
    "no-json": b"x",
    "empty": b"[]",
    "text": b'["1", "o", "a"]',
    "nan": b'[NaN, "o", "a"]',
    "negative": b'[-1, "o", "a"]',
    "infinite": b'[1e999, "o", "a"]',
    "true": b'[true, "o", "a"]',
    "short": b'[1, "o"]',
    "number": b'[1, "o", 2]',
    "huge": b"[1" + b"0" * 400 + b', "o", "a"]',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES)
def test_a_line_that_is_no_event_is_named(line: bytes) -> None:
    """In one line, with its number."""
    with pytest.raises(Failure, match="it: line 2 is no event"):
        shown([b'{"version": 3, "term": {}}\n', line + b"\n"])


@given(st.binary(max_size=60) | st.from_regex(rb'\{"version": ?[0-9a-z".]{1,9}\}', fullmatch=True))
def test_no_other_file_is_a_recording(first: bytes) -> None:
    """Any header is one, or refused in one line."""
    said = ""
    try:
        read_cast("it", io.BytesIO(first.replace(b"\n", b"") + b"\n"))
    except Failure as failure:
        said = str(failure)

    assert "no asciicast" in said or json.loads(first)["version"] in (2, 3)


def test_a_gap_is_a_marker() -> None:
    """What is missing is told where it is missing, also before the first byte."""
    form = Asciicast({}, rows=24, cols=80)
    said = form.mark(Record(0, NOW, RESIZE, 1, 2)) + form.mark_gap(7)
    header, event = [json.loads(line) for line in said.decode().splitlines()]

    assert header["term"]["rows"] == 1
    assert event[1:] == ["m", "7 bytes were dropped here"]
