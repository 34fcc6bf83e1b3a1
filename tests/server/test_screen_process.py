"""The screen process: a real one, on real journals, spoken to as the server does."""

from __future__ import annotations

import base64
import itertools
import os
import select
import time
import zlib
from typing import TYPE_CHECKING

import pytest

import leaks
from ptyd.journal.index import RESIZE
from ptyd.journal.journal import MIN_LIMIT, Journal
from ptyd.screen.content import TooLarge
from ptyd.screen.emulator import Emulator
from ptyd.screen.grid import Grid
from ptyd.screen.process import LARGEST_SCREEN, fitting
from ptykeep.protocol import receive
from ptywire.message import MAX_MESSAGE
from screen_process import COLS, KEEP, ROWS, Screen, write
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEALS = 0xF  # all of them: seal, shrink, grow, write (fcntl(2))
F_GET_SEALS = 1034


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    with leaks.checked():
        started = Screen(tmp_path)
        try:
            yield started
        finally:
            started.close()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(str(tmp_path / "sessions" / "journal"), limit=MIN_LIMIT)
    opened.open_for_writing()
    yield opened
    opened.close()


def lines(first: int, count: int) -> bytes:
    return b"".join(
        b"\x1b[3%dmline %d\x1b[0m\r\n" % (n % 8, n) for n in range(first, first + count)
    )


def rows_after(data: bytes, rows: int = ROWS, cols: int = COLS) -> list[str]:
    emulator = Emulator(rows, cols)
    emulator.feed(data)
    return emulator.text()


def test_a_snapshot_shows_the_journal(screen: Screen, journal: Journal) -> None:
    """The bytes, the offset and the size, in a file that nobody can change."""
    end = write(journal, lines(0, 50))
    screen.open(journal.folder)
    screen.send("end", end=end)
    fields = screen.snapshot(end, scrollback=0)

    assert (fields["end"], fields["rows"], fields["cols"]) == (end, ROWS, COLS)
    assert rows_after(fields["data"]) == rows_after(lines(0, 50))


def test_a_snapshot_fits_a_message(screen: Screen, tmp_path: Path) -> None:
    """With less history, where every cell has colours of its own."""
    journal = Journal(str(tmp_path / "sessions" / "journal"), limit=16 << 20)
    journal.open_for_writing()
    colours = [b"\x1b[38;2;1;%d;3;48;2;4;5;%dm#" % (n % 256, n // 256) for n in range(40_000)]
    end = write(
        journal, b"".join(b"".join(colours[at : at + 39]) + b"\r\n" for at in range(0, 40_000, 39))
    )
    journal.close()
    screen.open(tmp_path / "sessions" / "journal")
    fields = screen.snapshot(end)
    less = screen.snapshot(end, scrollback=10)

    assert less["size"] < fields["size"] <= MAX_MESSAGE - 64


def test_a_huge_screen_fits_a_message() -> None:
    """Where every cell has a look of its own the characters alone are shown, of both screens."""
    rows, cols = 300, 1100
    look = b"\x1b[0;1;9;53;4:3;38;2;%d;200;200;48;2;100;%d;100;58:2::100:100:100m%d"
    look += b"\x1b[38;2;201;200;200m-"
    line = b"".join(look % (100 + n % 100, 100 + n % 99, n % 10) for n in range(cols // 2))
    screen = b"".join(b"\x1b[%d;1H" % (y + 1) + line for y in range(rows))
    shown = b"\n".join([b"".join(b"%d-" % (n % 10) for n in range(cols // 2))] * rows)
    emulator = Emulator(rows, cols)
    emulator.feed(screen)
    with pytest.raises(TooLarge):
        emulator.snapshot(0, LARGEST_SCREEN)
    primary = fitting(emulator, 1000)
    emulator.feed(b"\x1b[?1049h" + screen)
    alternate = fitting(emulator, 0)
    copy = Emulator(rows, cols)

    assert max(len(primary), len(alternate)) <= LARGEST_SCREEN
    for data in (primary, b"\x1bc" + alternate, b"\x1b[?1049l"):
        copy.feed(data)
        grid = Grid(copy._terminal)
        assert copy._terminal.format(grid.selection(0, rows - 1), plain=True) == shown


def test_the_bytes_of_a_snapshot_are_sealed(screen: Screen, journal: Journal) -> None:
    """Who shares one with every viewer may rely on it."""
    import fcntl

    screen.open(journal.folder)
    screen.send("snapshot", id=1, at_least=0, scrollback=0)
    assert select.select([screen.sock], [], [], PATIENCE)[0]
    packet = receive(screen.sock)
    while packet is not None and not packet.fds:
        packet = receive(screen.sock)
    assert packet is not None
    (fd,) = packet.fds
    try:
        assert fcntl.fcntl(fd, F_GET_SEALS) == SEALS
    finally:
        os.close(fd)


def test_it_follows_as_the_journal_grows(screen: Screen, journal: Journal) -> None:
    """Each snapshot is of the offset that was asked for, or later."""
    screen.open(journal.folder)
    data = b""
    for n in range(20):
        data += lines(n, 1)
        end = write(journal, lines(n, 1))
        screen.send("end", end=end)

        assert screen.shown(end) == rows_after(data)


def test_resizes_take_effect_at_their_offsets(screen: Screen, journal: Journal) -> None:
    """What was wrapped at one width is not what the next width would have wrapped."""
    expected = Emulator(ROWS, COLS)
    for rows, cols in ((5, 20), (30, 100), (8, 33)):
        expected.feed(b"wide text " * 9)
        write(journal, b"wide text " * 9)
        journal.mark(RESIZE, rows, cols)
        expected.resize(rows, cols)
    screen.open(journal.folder)
    fields = screen.snapshot(journal.end)

    assert (fields["rows"], fields["cols"]) == expected.size
    assert fields["data"] == expected.snapshot()


def test_a_resize_without_bytes_is_seen(screen: Screen, journal: Journal) -> None:
    """Also one that replaced another in its place."""
    end = write(journal, b"abc")
    screen.open(journal.folder)
    for size in ((12, 50), (14, 60), (9, 30)):
        journal.mark(RESIZE, *size)
        screen.send("end", end=end)
        fields = screen.snapshot(end)

        assert (fields["rows"], fields["cols"]) == size


def test_queries_are_answered(screen: Screen, journal: Journal) -> None:
    """Each that was asked about by itself, with its offset; what nobody asked about is not."""
    end = write(journal, b"\x1b[cab\x1b[6n\x1b[5ncd\x1b[6n\x1b]1337;ReportCellSize\x07")
    spans = [[5, 9], [15, 19], [19, end]]
    screen.open(journal.folder)
    screen.send("queries", spans=spans)
    screen.send("end", end=end)
    replies = [screen.expect("reply") for _ in spans]

    assert [fields["end"] for fields in replies] == [9, 19, end]
    assert [base64.b64decode(fields["data"]) for fields in replies] == [
        b"\x1b[1;3R",
        b"\x1b[1;5R",
        b"",
    ]


def test_a_ping_is_answered_while_it_works(screen: Screen, journal: Journal) -> None:
    """A hang can be told from work, of the most expensive kind too."""
    end = write(journal, b"\x1b[4000000000b\x1b[99L" * 6000)
    screen.open(journal.folder)
    screen.send("ping", id=0)
    screen.expect("pong")
    screen.send("end", end=end)
    for n in range(1, 6):
        started = time.monotonic()
        screen.send("ping", id=n)

        assert screen.expect("pong")["id"] == n
        assert time.monotonic() - started < 0.5
    assert screen.snapshot(end)["end"] == end


def test_progress_is_reported(screen: Screen, journal: Journal) -> None:
    """Often enough to hold the program a megabyte ahead, and the end once it is reached."""
    end = write(journal, lines(0, 10000))
    screen.open(journal.folder)
    screen.send("end", end=end)
    offsets = [journal.start]
    while offsets[-1] < end:
        offsets.append(screen.expect("at")["offset"])

    assert offsets == sorted(offsets)
    assert max(b - a for a, b in itertools.pairwise(offsets)) <= 128 << 10


def test_states_are_kept_beside_segments(screen: Screen, journal: Journal) -> None:
    """Those of the newest segments, private; they count in the journal's size."""
    screen.open(journal.folder)
    for n in range(60):
        end = write(journal, lines(1000 * n, 1000))
        screen.send("end", end=end)
        screen.snapshot(end)
    kept = sorted(name for name in os.listdir(journal.folder) if name.endswith(".snap"))
    modes = {os.stat(f"{journal.folder}/{name}").st_mode & 0o777 for name in kept}

    on_disk = sum(entry.stat().st_size for entry in os.scandir(journal.folder))

    assert len(journal.segments) > 2
    assert kept == [f"{segment.start:020d}.snap" for segment in journal.segments[-2:]]
    assert on_disk == journal.size
    assert on_disk <= journal.limit + journal.segment_size + 2 * KEEP
    assert modes == {0o600}


def test_a_cold_start_uses_the_newest_state(
    screen: Screen, journal: Journal, tmp_path: Path
) -> None:
    """What is before it is not read: it may be anything."""
    screen.open(journal.folder)
    screen.send("end", end=0)
    data = b"\x1b[?1049h\x1b[44m" + lines(0, 20000)
    for at in range(0, len(data), 50000):
        end = write(journal, data[at : at + 50000])
        screen.snapshot(end)
    expected = screen.shown(end)
    for segment in journal.segments[:-1]:
        with open(segment.path + ".out", "r+b") as file:
            file.write(b"x" * (segment.end - segment.start))
    second = Screen(tmp_path)
    try:
        second.open(journal.folder)

        assert second.shown(end) == expected == rows_after(data)
        assert second.snapshot(end)["data"] == screen.snapshot(end)["data"]
    finally:
        second.close()


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_state_is_replayed_past(
    screen: Screen, journal: Journal, damage: bytes | None
) -> None:
    """It is a cache: a state that is damaged or of another version costs only time."""
    end = write(journal, lines(0, 7000))
    for segment in journal.segments:
        with open(segment.path + ".snap", "wb") as file:
            if damage is None:
                state = Emulator(ROWS, COLS).encode()
                file.write(zlib.compress(state.replace(b"0.1.", b"9.9.", 1)))
            else:
                file.write(damage)
    screen.open(journal.folder)

    assert screen.shown(end) == rows_after(lines(0, 7000))


def test_it_is_overtaken_by_rotation(screen: Screen, journal: Journal) -> None:
    """It goes on from the oldest bytes there are, and still comes to the right end."""
    end = write(journal, lines(0, 100))
    screen.open(journal.folder)
    screen.snapshot(end)
    end = write(journal, lines(0, 60000))

    assert screen.shown(end) == rows_after(lines(59000, 1000))
    assert screen.packets[-1]["end"] == end


def test_it_ends_with_its_server(screen: Screen, journal: Journal) -> None:
    """A closed socket is the order to go."""
    screen.open(journal.folder)
    screen.snapshot(0)

    assert screen.end() == 0


def test_it_is_confined(screen: Screen, journal: Journal) -> None:
    """No new privileges, no descriptors but its own, bounded memory (proc(5))."""
    screen.open(journal.folder)
    screen.snapshot(0)
    with open(f"/proc/{screen.pid}/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    with open(f"/proc/{screen.pid}/limits", encoding="ascii") as file:
        limits = file.read()
    opened = {
        os.readlink(f"/proc/{screen.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{screen.pid}/fd")
    }

    assert status["NoNewPrivs"].strip() == "1"
    assert limits.split("Max address space")[1].split()[0] == str(1 << 30)
    assert limits.split("Max core file size")[1].split()[0] == "0"
    assert not [name for name in opened if name.startswith("socket:")][1:]
