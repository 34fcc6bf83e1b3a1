"""Mending: what a resize leaves of wide characters does no harm to pictures."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptyd.screen.emulator import Emulator
from screen_state import MODES, cursor_of, differences, state_of
from screen_streams import SOUP

WIDE = "漢".encode() * 20
LEFT_AGAIN = b"\x1b[?1049h" + WIDE + b"x" + WIDE + b"\x1b[?1049l"
STATES = {
    "alternate": b"\x1b[?1049h" + WIDE,
    "alternate, left again": LEFT_AGAIN + b"text\x1b[31m",
    "alternate by 47": b"\x1b[?47h" + WIDE,
    "no wrap": b"\x1b[?7l" + WIDE,
    "no wrap, with history": b"\x1b[?7l" + (WIDE + b"\r\n") * 30,
    "origin and margins": b"\x1b[?1049h" + WIDE + b"\x1b[2;5r\x1b[?6h\x1b[2;3H",
    "pending wrap": b"\x1b[?1049h" + WIDE + b"\x1b[3;1H\x1b[32m" + b"x" * 25,
    "cut in CSI": b"\x1b[?1049h" + WIDE + b"\x1b[3;4Hab\x1b[31;4",
    "a link": b"\x1b[?1049h" + WIDE + b"\x1b[4;4H\x1b]8;;http://a/\x1b\\link",
    "modes": b"\x1b[?47h\x1b[?1049h\x1b[?1049l" + b"\x1b[?1049h" + WIDE + b"\x1b[?25l\x1b[4h",
}
# Halves, and characters cut in the middle, more often than chance would have them.
PIECE = st.tuples(
    st.sampled_from((b"", *STATES.values())),
    SOUP,
    st.sampled_from((b"", WIDE, WIDE[:-1], WIDE[:-2], "👍".encode()[:3])),
).map(b"".join)
SIZES = st.tuples(st.integers(1, 12), st.integers(1, 45))


def copied(emulator: Emulator) -> Emulator:
    copy = Emulator(*emulator.size)
    copy.feed(emulator.snapshot())
    return copy


def described(emulator: Emulator) -> Any:
    terminal = emulator._terminal
    return cursor_of(terminal), [terminal.mode(mode) for mode in MODES], terminal.continuation


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("cols", [25, 26])
def test_a_picture_can_be_had_after_a_resize(name: str, cols: int) -> None:
    """Of either screen; nothing but the halves has changed, and the law holds."""
    emulator = Emulator(10, 40)
    emulator.feed(STATES[name])
    emulator.resize(10, cols)
    before = described(emulator)
    copy = copied(emulator)

    assert described(emulator) == before
    assert differences(state_of(emulator), state_of(copy)) == []
    assert Emulator.decode(emulator.encode()).text() == emulator.text()


@given(PIECE, st.lists(st.tuples(SIZES, PIECE), max_size=4))
@settings(max_examples=150)
def test_no_resize_makes_pictures_impossible(
    first: bytes, more: list[tuple[tuple[int, int], bytes]]
) -> None:
    """Whatever is printed before, between and after, and cut in the middle of a character too."""
    emulator = Emulator(10, 40)
    emulator.feed(first)
    for size, data in more:
        emulator.resize(*size)
        emulator.feed(data)
        emulator.snapshot()

        assert Emulator.decode(emulator.encode()).size == emulator.size


@pytest.mark.parametrize("cut", [1, 2])
def test_a_character_that_is_cut_is_whole_in_the_end(cut: int) -> None:
    """Where a resize has cut another one in two."""
    emulator = Emulator(10, 40)
    emulator.feed(STATES["alternate"] + b"\x1b[3;1H" + "漢".encode()[:cut])
    emulator.resize(10, 25)
    copy, kept = copied(emulator), Emulator.decode(emulator.encode())
    for each in (emulator, copy, kept):
        assert not each.at_ground
        each.feed("漢".encode()[cut:])

    assert differences(state_of(emulator), state_of(copy)) == []
    assert kept.text() == copy.text()
    assert copy.text()[2] == "漢"
