"""Content: which rows the library's formatter may write, twenty times as fast as cell by cell."""

from __future__ import annotations

import pytest

from ptyd.screen.content import ALL, _Content
from ptyd.screen.emulator import Emulator

LINES = {
    "wide": "漢字かな交じり文".encode() * 5,
    "wide, to the last column": "漢".encode() * 20,
    "wide and coloured": "\x1b[31m漢字 かな\x1b[0m".encode(),
    "combining": "e\u0301a ".encode() * 9,
    "coloured": b"\x1b[31mred \x1b[44mtext\x1b[0m",
}


@pytest.mark.parametrize("name", LINES)
def test_lines_of_any_script_are_left_to_the_library(name: str) -> None:
    """On the screen and above it."""
    emulator = Emulator(10, 40)
    emulator.feed((LINES[name] + b"\r\n") * 30)

    assert _Content(emulator._terminal, ALL).special <= {30, 60, 90}  # the last, which is empty


def test_lines_that_were_erased_are_not() -> None:
    """With a colour: the library drops it."""
    emulator = Emulator(10, 40)
    emulator.feed("漢字\x1b[41m\x1b[K\x1b[0m\r\n".encode() * 30)

    assert _Content(emulator._terminal, ALL).special >= set(range(30))
