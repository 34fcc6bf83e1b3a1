"""The law of skimming: the end of plain text leaves what all of it would."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ptyd.screen.emulator import Emulator
from ptyd.screen.skim import skim
from screen_state import differences, state_of
from screen_streams import SOUP

MANY = 2600
"""Lines: more than an emulator without history holds."""
HISTORY = 50

WORDS = st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
PIECES = st.one_of(
    st.one_of(WORDS, st.binary(max_size=30)).map(
        lambda data: bytes(byte for byte in data.replace(b"\xc2", b"") if byte >= 0x20)
    ),
    st.sampled_from(
        [b"\x1b[m", b"\x1b[31;1m", b"\x1b[48;5;20m", b"\x1b[0m", b"\x1b[38:2::1:2:3m", b"\x1b[K"]
    ),
    st.sampled_from(
        [b"\t", b"\b\b", b"\r", b"\a", b"\n", b"\v", b"\xe6\xbc\xa2" * 30, b"\xcc\x81"]
    ),
)
LINES = st.lists(st.lists(PIECES, max_size=4).map(b"".join), min_size=1, max_size=6)


def shown(emulator: Emulator) -> Any:
    copy = Emulator(*emulator.size, HISTORY)
    copy.feed(emulator.snapshot(HISTORY))
    return state_of(copy)


@given(SOUP, LINES, SOUP)
@settings(max_examples=100)
def test_skimmed_text_leaves_the_same_screen(
    before: bytes, lines: list[bytes], after: bytes
) -> None:
    """From any state, over text of any bytes, whatever comes then."""
    whole, skimmed = Emulator(10, 40, HISTORY), Emulator(10, 40, HISTORY)
    text = b"".join(b">" + line + b"\r\n" for line in lines) * (MANY // len(lines) + 1)
    for emulator in (whole, skimmed):
        emulator.feed(before + b"\x18\x1b[r\x1b[?69l")  # no open sequence, no margins
    assume(skimmed.skim(text))
    whole.feed(text)
    for emulator in (whole, skimmed):
        emulator.feed(after)

    # By their snapshots: how much more history is kept depends on pages of the library.
    assert differences(shown(whole), shown(skimmed)) == []


def test_only_the_last_lines_and_colours_are_left() -> None:
    """The colours from the last reset on."""
    data = b"\x1b[1mold\r\n\x1b[0m\x1b[31mred\r\n" + b"line\r\n" * 5

    assert skim(data, 3) == b"\x1b[0m\x1b[31mline\r\nline\r\n"


@pytest.mark.parametrize(
    "piece",
    [
        b"\x1b[H",
        b"\x1b[?1049h",
        b"\x1b]0;title\x07",
        b"\x0e",
        b"\x05",
        b"\xc2\x84",
        b"\x1b[1;2r",
        b"\x1b",
        b"\x1b[\x1b[m",
        b"\x1b[6n",
        b"\x1b[3b",
    ],
)
def test_what_does_more_than_write_is_drawn(piece: bytes) -> None:
    """Wherever it stands."""
    lines = b"line\r\n" * 10

    for data in (piece + lines, lines + piece + lines, lines + piece):
        assert skim(data, 5) is None


@pytest.mark.parametrize("first", [b"\xcc\x81", b"\t", b"\x1b[m", b""])
def test_a_first_line_that_leans_on_the_one_before_is_drawn(first: bytes) -> None:
    """A combining mark, say."""
    assert skim(b"line\r\n" * 10 + first + b"\r\n" + b"line\r\n" * 4, 6) is None


@pytest.mark.parametrize("before", [b"\x1b[2;5r", b"\x1b[?69h\x1b[2;5s", b"\x1b[3", b"\xe6"])
def test_margins_and_open_sequences_forbid_it(before: bytes) -> None:
    """Lines leave another way, or not at all."""
    emulator = Emulator(10, 40, HISTORY)
    emulator.feed(before)

    assert not emulator.skim(b"line\r\n" * MANY)
