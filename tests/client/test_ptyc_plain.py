"""Plain text of a terminal's output: what is left without control sequences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptyc.plain import LONGEST, Plain

CHARACTERS = (b"a", b"\xc3\xa9", b"\xff", b"\r", b"\n", b"\x08", b"\t", b"\x18")
PARTS = (b"\x1b", b"[", b"]", b"P", b"0;t", b"31m", b"\x07", b"\\")
SEQUENCES = (b"\x1b[1m", b"\x1b]0;title\x1b\\", b"\x1bP+q\x1b\\", b"\x1b(B")
PIECES = st.sampled_from((*CHARACTERS, *PARTS, *SEQUENCES))


def plain(data: bytes, *cuts: int) -> str:
    whole, text, before = Plain(), "", 0
    for cut in (*sorted(cuts), len(data)):
        text += whole.feed(data[before:cut])
        before = cut
    return text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07$ ", "$ "),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bP1$r0m\x1b\\x", "x"),
        (b"\x1b(Bx\x1b7\x1b=\x1b>y", "xy"),
        (b"one\r\ntwo\r\n", "one\ntwo\n"),
        (b"ls\r\n\x1b[?2004l\rout\r\n", "ls\nout\n"),
        (b"10%\r20%\r\n", "10%\n20%\n"),
        (b"\r\r\nx", "\nx"),
        (b"a\tb\x07\x00c", "a\tbc"),
        ("é€".encode(), "é€"),
        (b"\xff", "\ufffd"),
    ],
)
def test_what_is_left(data: bytes, text: str) -> None:
    """Sequences of every kind go, line ends become one character."""
    assert plain(data) == text


@given(st.lists(PIECES, max_size=40).map(b"".join), st.data())
def test_pieces_make_no_difference(data: bytes, draw: st.DataObject) -> None:
    """However the output was cut, the text is the same."""
    cuts = draw.draw(st.lists(st.integers(0, len(data)), max_size=8))

    assert plain(data, *cuts) == plain(data)


def test_a_sequence_without_an_end_is_let_go() -> None:
    """It neither grows without bound nor hides what comes after it for ever."""
    text = plain(b"\x1b]0;" + b"x" * (LONGEST + 10) + b"\nshown")

    assert text.endswith("shown")
