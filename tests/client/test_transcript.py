"""Laws of transcripts: no format loses or adds a byte, and windows are what an oracle says."""

from __future__ import annotations

import json
import tempfile
import time
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ptycli.transcript.asciicast import Asciicast
from ptycli.transcript.entry import LONGEST, Entries, between_characters
from ptycli.transcript.format import Format, Raw
from ptycli.transcript.lines import Cri, JsonFile
from ptycli.transcript.selection import Selection, Tail, Window
from ptycli.transcript.typescript import Typescript
from ptyd.journal.index import EXIT, RESIZE, START, STDERR, STDOUT, TERMINAL, Record
from ptyd.journal.reader import Reader, Run
from written_journal import NOW, OUTPUT, SECOND, Printed, WrittenJournal, by_kind, printed

if TYPE_CHECKING:
    from collections.abc import Sequence


def transcript(form: Format, items: Sequence[Printed]) -> bytes:
    said = b"".join(form.feed(item.kind, item.time_ns, item.data) for item in items)
    return said + form.finish()


def in_text(items: Sequence[Printed]) -> dict[int, str]:
    """Return what each stream is as Unicode."""
    return {kind: data.decode("utf-8", "replace") for kind, data in by_kind(items).items()}


LONG = st.builds(
    lambda text, count, end: text * count + end,
    st.sampled_from([b"a", "é".encode(), "€".encode(), "😀".encode(), b"\xff", b"\xe2\x82"]),
    st.integers(LONGEST // 4 - 2, LONGEST + 2),
    st.binary(max_size=3),
)
"""Around the longest entry, with characters where it would be cut."""
LONG_OUTPUT = st.lists(
    st.builds(Printed, st.sampled_from([STDOUT, STDERR]), st.just(NOW), LONG), max_size=3
)


@given(OUTPUT | LONG_OUTPUT)
@settings(max_examples=40)
def test_entries_are_the_bytes_however_they_are_cut(items: list[Printed]) -> None:
    """The parts of a stream together are the stream, and do not depend on the runs."""
    cut = [
        Printed(item.kind, item.time_ns, item.data[at : at + size])
        for item in items
        for size in [7 + len(item.data) // 50]
        for at in range(0, len(item.data), size)
    ]
    results = []
    for given_ in (items, cut):
        entries = Entries()
        found = [entry for item in given_ for entry in entries.feed(*item)]
        found += entries.finish()
        results.append(found)
        for kind, data in by_kind(items).items():
            parts = [e.data + b"\n" * e.is_whole for e in found if e.kind == kind]
            assert b"".join(parts) == data
    assert sorted(results[0]) == sorted(results[1])
    assert all(len(entry.data) <= LONGEST for entry in results[0])


def test_a_line_may_come_a_byte_at_a_time() -> None:
    """As dots of progress do, each at its own moment: a log of them is no less quick to read."""
    entries = Entries()
    began = time.process_time()
    found = [e for at in range(3 * LONGEST) for e in entries.feed(STDOUT, NOW + at, b".")]
    found += entries.finish()

    assert [(e.time_ns - NOW, len(e.data)) for e in found] == [
        (LONGEST * part, LONGEST) for part in range(3)
    ]
    assert time.process_time() - began < 5  # it was a minute and a half


@given(st.text("aé€😀", min_size=4, max_size=9), st.integers(3, 12))
def test_no_character_is_cut(text: str, limit: int) -> None:
    """A cut is at a character's beginning, and as late as that allows."""
    data = (text * 4).encode()
    cut = between_characters(data, limit)

    data[:cut].decode()
    assert limit - 3 <= cut <= limit


@given(OUTPUT | LONG_OUTPUT)
@settings(max_examples=40)
def test_cri_is_the_bytes(items: list[Printed]) -> None:
    """F is a whole line, P one that goes on; the contents of a stream are its bytes."""
    streams = {"stdout": b"", "stderr": b""}
    for line in transcript(Cri(), items).split(b"\n")[:-1]:
        time, stream, tag, content = line.split(b" ", 3)
        assert len(time) == 30
        streams[stream.decode()] += content + (b"\n" if tag == b"F" else b"")
    wanted = by_kind(items)

    assert streams["stderr"] == wanted[STDERR]
    assert streams["stdout"] in (wanted[STDOUT], wanted[TERMINAL])


@given(OUTPUT | LONG_OUTPUT)
@settings(max_examples=40)
def test_json_file_is_the_text(items: list[Printed]) -> None:
    """Docker's three fields; a part that goes on has no newline."""
    streams = {"stdout": "", "stderr": ""}
    for line in transcript(JsonFile(), items).decode().split("\n")[:-1]:
        fields = json.loads(line)
        assert list(fields) == ["log", "stream", "time"]
        streams[fields["stream"]] += fields["log"]
    wanted = in_text(items)

    assert streams["stderr"] == wanted[STDERR]
    assert streams["stdout"] in (wanted[STDOUT], wanted[TERMINAL])


@given(printed([TERMINAL]))
def test_asciicast_is_the_text(items: list[Printed]) -> None:
    """As a parser of the format's description reads it: times, too, as far as clocks allow."""
    cast = transcript(Asciicast({"title": "t"}, rows=24, cols=80), items).decode()
    header, *events = [json.loads(line) for line in cast.split("\n")[:-1]]
    steps = [b.time_ns // 1000 - a.time_ns // 1000 for a, b in pairwise(items)]

    assert header["version"] == 3
    assert header["term"] == {"cols": 80, "rows": 24, "type": "xterm-256color"}
    assert all(len(event) == 3 and event[0] >= 0 and event[1] == "o" for event in events)
    assert "".join(event[2] for event in events) == in_text(items)[TERMINAL]
    assert sum(event[0] for event in events) <= sum(max(0, step) for step in steps) / 1e6 + 1e-6


@pytest.mark.parametrize(("kind", "end"), [(TERMINAL, "\n"), (STDOUT, "\r\n"), (STDERR, "\r\n")])
def test_asciicast_is_for_a_terminal(kind: int, end: str) -> None:
    """Which makes line ends of newlines; of a program on pipes nobody has."""
    said = transcript(Asciicast({}, rows=1, cols=2), [Printed(kind, NOW, b"a\nb\n")])

    assert json.loads(said.splitlines()[1]) == [0, "o", f"a{end}b{end}"]


def test_asciicast_is_text_whatever_was_run() -> None:
    """A command line is bytes, as a file's name is; JSON has no place for half a surrogate."""
    said = transcript(Asciicast({"command": "echo \udcff"}, rows=1, cols=2), [])

    assert json.loads(said)["command"] == "echo ?"


def test_asciicast_has_the_size_the_resizes_and_the_exit() -> None:
    """The size it begins with is the header's; an exit that a start follows is a marker."""
    form = Asciicast({}, rows=24, cols=80)
    said = form.mark(Record(0, NOW, START, 1)) + form.mark(Record(0, NOW, RESIZE, 30, 90))
    said += form.feed(TERMINAL, NOW + SECOND, b"one")
    said += form.mark(Record(3, NOW + 3 * SECOND, RESIZE, 40, 100))
    said += form.mark(Record(3, NOW + 4 * SECOND, EXIT, 3))
    said += form.mark(Record(3, NOW + 5 * SECOND, START, 2))
    said += form.feed(TERMINAL, NOW + 5 * SECOND, b"two \xe2\x82")
    said += form.mark(Record(9, NOW + 6 * SECOND, EXIT, 0)) + form.finish()
    header, *events = [json.loads(line) for line in said.decode().splitlines()]

    assert (header["term"]["rows"], header["term"]["cols"]) == (30, 90)
    assert header["timestamp"] == NOW // SECOND + 1
    assert events == [
        [0.0, "o", "one"],
        [2.0, "r", "100x40"],
        [1.0, "m", "exited 3, started again"],
        [1.0, "o", "two "],
        [0.0, "o", "\ufffd"],
        [1.0, "x", "0"],
    ]


@given(printed([TERMINAL]))
def test_typescript_is_the_bytes(items: list[Printed]) -> None:
    """Between its first line and its last; the timing counts every byte."""
    form = Typescript('sh -c "x\n"', rows=24, cols=80)
    form.keep_timing()
    said = transcript(form, items)
    first, _, rest = said.partition(b"\n")
    timing = [line.split() for line in form.take_timing().decode().splitlines()]

    assert first.startswith(b"Script started on ")
    assert rest.rpartition(b"\nScript done on ")[0] == by_kind(items)[TERMINAL]
    assert [int(size) for _, size in timing] == [len(item.data) for item in items]


@given(OUTPUT)
def test_timestamps_are_before_each_line(items: list[Printed]) -> None:
    """Of each stream: the time of the line's first byte, and behind it the line."""
    form = Raw(timestamps=True)
    said = dict.fromkeys((TERMINAL, STDOUT, STDERR), b"")
    for item in items:
        said[item.kind] += form.feed(*item)
    for kind, data in by_kind(items).items():
        lines = said[kind].split(b"\n")
        rest = b"\n".join(line[31:] for line in lines)

        assert rest == data
        assert all(line[29:31] == b"Z " for line in lines if line)


class Line(NamedTuple):
    """The oracle's idea of a line."""

    kind: int
    time_ns: int
    data: bytes
    end: int


def lines_of(items: Sequence[Printed]) -> list[Line]:
    """Return the lines in the order in which they end, byte by byte."""
    lines: list[Line] = []
    begun: dict[int, Line] = {}
    offset = 0
    for item in items:
        for byte in item.data:
            offset += 1
            line = begun.pop(item.kind, Line(item.kind, item.time_ns, b"", 0))
            line = line._replace(data=line.data + bytes([byte]), end=offset)
            if byte == 10:
                lines.append(line)
            else:
                begun[item.kind] = line
    return sorted([*lines, *begun.values()], key=lambda line: line.end)


BOUND = st.none() | st.integers(NOW - 1, NOW + 6)


@given(
    OUTPUT,
    st.none() | st.integers(0, 12),
    st.builds(Window, BOUND, BOUND, st.sampled_from(["all", "stdout", "stderr"])),
    st.integers(1, 80),
)
@example([Printed(STDOUT, NOW, b"a\nb"), Printed(STDERR, NOW, b"c\n")], 1, Window(), 9)
@settings(max_examples=100)
def test_what_is_selected_is_what_an_oracle_selects(
    items: list[Printed], tail: int | None, window: Window, size: int
) -> None:
    """The last lines of those that begin within the window, whichever way the clock was set."""
    with tempfile.TemporaryDirectory() as folder:
        journal = WrittenJournal(folder, size)
        journal.write(items)
        journal.close()
        selection = Selection(window) if tail is None else tailed(folder, window, tail)
        found = dict.fromkeys((TERMINAL, STDOUT, STDERR), b"")
        reader = Reader(folder)
        while (extent := reader.take(final=True)) is not None:
            for item in selection.select(extent):
                if isinstance(item, Run):
                    found[item.kind] += extent.read(item.start, item.end)
        reader.close()
    wanted = [
        line
        for line in lines_of(items)
        if window.holds(line.time_ns) and window.has_kind(line.kind)
    ]
    if tail is not None:
        wanted = wanted[len(wanted) - tail :] if tail < len(wanted) else wanted

    assert found == {
        kind: b"".join(line.data for line in wanted if line.kind == kind) for kind in found
    }


def tailed(folder: str, window: Window, count: int) -> Selection:
    tail, wanted, reader = Tail(), Selection(window), Reader(folder)
    while (extent := reader.take(final=True)) is not None:
        tail.add(extent, wanted.select(extent))
    end = reader.end()
    reader.close()
    return Selection(window, tail.starts(count), end)


@pytest.mark.parametrize(
    "form", [Cri(), JsonFile(), Raw(timestamps=True)], ids=lambda f: type(f).__name__
)
def test_nothing_printed_is_nothing_written(form: Format) -> None:
    """An empty journal is an empty log in formats without a header."""
    assert transcript(form, []) == b""
