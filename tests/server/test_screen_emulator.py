"""The emulator: its limits, what it answers, and how it is kept."""

from __future__ import annotations

import random
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptyd.screen import emulator as module
from ptyd.screen.emulator import MAX_COLS, MAX_ROWS, Damaged, Emulator
from ptyd.screen.ghostty import version
from ptywire.message import MAX_MESSAGE
from screen_state import differences, state_of
from screen_streams import CASES, SOUP


def fed(data: bytes, rows: int = 10, cols: int = 40) -> Emulator:
    emulator = Emulator(rows, cols)
    emulator.feed(data)
    return emulator


def test_it_tells_what_is_shown() -> None:
    """Rows of text, the cursor, the title."""
    emulator = fed("ab\r\n漢字\x1b]2;ünï\x07".encode())

    assert emulator.text() == ["ab", "漢字", *[""] * 8]
    assert (emulator.cursor, emulator.title) == ((1, 4), "ünï")


@pytest.mark.parametrize("name", CASES)
def test_a_decoded_emulator_is_the_same(name: str) -> None:
    """In the middle of a sequence too, and it goes on alike."""
    first = fed(CASES[name])
    second = Emulator.decode(first.encode())
    for rest in (b"", b"\x07\x1b\\Zz\x1b8\x1b[?1049lQ"):
        first.feed(rest)
        second.feed(rest)
        assert differences(state_of(first), state_of(second)) == []
    assert first.snapshot() == second.snapshot()


@given(st.binary(max_size=200))
def test_no_bytes_decode_by_accident(data: bytes) -> None:
    """All that is not ours is Damaged, and never a crash."""
    with pytest.raises(Damaged):
        Emulator.decode(data)


@given(st.integers(0), st.integers(1, 255))
def test_one_wrong_byte_is_damage(place: int, change: int) -> None:
    """The native decoder never sees it."""
    data = bytearray(fed(b"text").encode())
    data[place % len(data)] ^= change
    with pytest.raises(Damaged):
        Emulator.decode(bytes(data))


def test_a_state_of_another_version_is_refused() -> None:
    """Even with the right checksum."""
    data = fed(b"text").encode()
    body = data[module._HEADER.size :].replace(version().encode(), b"9" * len(version()), 1)
    with pytest.raises(Damaged, match="another version"):
        Emulator.decode(module._HEADER.pack(module._MAGIC, zlib.crc32(body)) + body)


@pytest.mark.parametrize(
    ("query", "reply"),
    [
        (b"\x1b[c", b"\x1b[?62;22c"),
        (b"ab\x1b[6n", b"\x1b[1;3R"),
        (b"\x1b[5n", b"\x1b[0n"),
        (b"\x1b[?2004$p", b"\x1b[?2004;2$y"),
        (b"\x1b[18t", b"\x1b[8;10;40t"),
        (b"\x1b]11;?\x1b\\", b"\x1b]11;rgb:0000/0000/0000\x1b\\"),
        (b"\x1b[?u", b"\x1b[?0u"),
        (b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\", b""),
    ],
)
def test_a_query_is_answered(query: bytes, reply: bytes) -> None:
    """Once: the next call returns what came since."""
    emulator = fed(query)

    assert emulator.replies() == reply
    assert emulator.replies() == b""


def test_replies_are_bounded() -> None:
    """A program may ask for ever, with nobody there to take the answers."""
    assert len(fed(b"\x1b[c" * 100_000).replies()) <= module.REPLIES


@pytest.mark.parametrize("again", [b"\x9b", b"\x9b1", b"\x1b[", b"\x1b[?40;"])
def test_no_output_takes_long_to_feed(again: bytes) -> None:
    """A screen that is busy for two seconds is taken for hung."""
    emulator = Emulator(24, 80)
    started = time.thread_time()
    emulator.feed(again * ((64 << 10) // len(again)))

    assert time.thread_time() - started < 1.0


@pytest.mark.parametrize("size", [(0, 0), (-5, 3), (65535, 65535), (1, 10**9)])
def test_sizes_are_clamped(size: tuple[int, int]) -> None:
    """The largest ones would take the process down."""
    emulator = fed(b"text")
    emulator.resize(*size)
    emulator.feed(b"more")

    assert 1 <= emulator.size[0] <= MAX_ROWS
    assert 1 <= emulator.size[1] <= MAX_COLS
    assert emulator.snapshot(0)


def test_resizes_come_in_storms() -> None:
    """Random ones, with soup in between, leave an emulator that works."""
    chosen = random.Random(1)
    emulator = Emulator(24, 80)
    for _ in range(200):
        emulator.resize(chosen.randint(0, 300), chosen.randint(0, 300))
        emulator.feed(chosen.randbytes(500))
        emulator.snapshot(0)
    emulator.feed(b"\x18\x1bcafter")
    assert emulator.text()[0] == "after"[: emulator.size[1]]


@given(SOUP, st.lists(st.integers(0)))
def test_the_state_does_not_depend_on_chunking(data: bytes, places: list[int]) -> None:
    """The switch to 132 columns, which has to be undone, included."""
    data = b"\x1b[?40" + data + b"\x1b[?40h\x1b[?3habc\x1b[?3l\x1b[?3;40h"
    cuts = sorted({place % (len(data) + 1) for place in places})
    split = Emulator(10, 40)
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        split.feed(data[start:end])

    assert differences(state_of(fed(data)), state_of(split)) == []


def test_a_snapshot_in_a_long_sequence_fits_a_message() -> None:
    """What can still be repeated leaves room for the screen."""
    emulator = fed(b"text" * 1000 + b"\x1b]0;" + b"x" * (module.CONTINUATION - 10))

    assert module.CONTINUATION // 2 < len(emulator.snapshot()) < MAX_MESSAGE * 3 // 4


@pytest.mark.parametrize(
    "start", [b"\x1b]0;", b"\x1bP1$r", b"\x1b_G", b"\x1b^", b"\x1b[", b"\x1bX"]
)
def test_a_sequence_without_end_has_no_effect(start: bytes) -> None:
    """It is given up at a limit; what follows its end is the same for all."""
    whole = fed(b"before" + start)
    for _ in range(40):
        whole.feed(b"1" * (64 << 10))
    joined = fed(whole.snapshot())
    end = b"m" if start == b"\x1b[" else b"\x1b\\"
    for emulator in (whole, joined):
        emulator.feed(b"11" + end + b"after")

    assert whole.text() == joined.text() == ["beforeafter", *[""] * 9]
    assert Emulator.decode(whole.encode()).text() == whole.text()


@pytest.mark.parametrize(
    "data",
    [
        b"\x1b[4294967295b" * 500,
        b"\x1b[4294967295L\x1b[4294967295S\x1b[4294967295@" * 500,
        "a\u0301".encode() + "\u0301".encode() * 50_000,
        b"\x1b]8;;" + b"x" * 5000 + b"\x1b\\link",
        b"\x1b]52;c;" + b"A" * (1 << 20) + b"\x07",
    ],
)
def test_bad_input_leaves_a_screen(data: bytes) -> None:
    """Huge counts, endless marks, long links: it works after them, and a snapshot is taken."""
    emulator = fed(b"a" + data)
    copy = fed(emulator.snapshot())

    assert copy.text() == emulator.text()
