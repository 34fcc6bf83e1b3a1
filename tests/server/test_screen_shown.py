"""What a screen shows, as a value: text, attributes, cursor and scrollback."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ptyd.screen.emulator import Emulator
from ptyd.screen.shown import Screen, shown

SGR = st.sampled_from(
    ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[48;5;200m", "\x1b[38;2;1;2;3m", "\x1b[4:3m"]
)
TEXT = st.sampled_from(["a", "é", "漢", "e\u0301", " ", "\r\n", "\t"])


def show(data: str, rows: int = 4, cols: int = 10, scrollback: int = 0) -> Screen:
    emulator = Emulator(rows, cols)
    try:
        emulator.feed(data.encode())
        return shown(emulator, scrollback)
    finally:
        emulator.close()


def test_text_and_attributes() -> None:
    """Each run of cells of one style is one; blanks at the end are none."""
    screen = show("\x1b]0;title\x07a\x1b[1;31mred\x1b[0m  \r\n漢x\x1b[?25l")

    assert screen.text == "ared\n漢x\n\n"
    assert screen.lines[0].ansi == "a\x1b[0;1;31mred\x1b[0m"
    assert [(run.col, run.width, run.text) for run in screen.lines[0].runs] == [
        (0, 1, "a"),
        (1, 3, "red"),
    ]
    assert (screen.cursor, screen.cursor_visible, screen.title) == ((1, 3), False, "title")
    assert not screen.alternate


def test_json_names_only_what_is_not_default() -> None:
    """And it is JSON: colours are a palette's number or #rrggbb."""
    fields = json.loads(json.dumps(show("\x1b[7;38;2;255;0;16;48;5;9mx", rows=1).to_json()))

    assert fields["lines"] == [
        {
            "text": "x",
            "wrapped": False,
            "runs": [
                {
                    "col": 0,
                    "width": 1,
                    "text": "x",
                    "foreground": "#ff0010",
                    "background": 9,
                    "inverse": True,
                }
            ],
        }
    ]
    assert fields["cursor"] == {"row": 0, "col": 1, "visible": True}


def test_scrollback_and_wrapping() -> None:
    """What scrolled away comes first; a long line says that it goes on."""
    screen = show("\r\n".join("abcdefghijklmno"[: 11 + n] for n in range(5)), scrollback=2)
    text = [row.text for row in (*screen.scrollback, *screen.lines)]

    assert text == ["abcdefghij", "klm", "abcdefghij", "klmn", "abcdefghij", "klmno"]
    assert [row.wrapped for row in screen.lines] == [True, False, True, False]


def test_the_alternate_screen() -> None:
    """A full-screen program is told by it."""
    assert show("\x1b[?1049hvim").alternate


@given(st.lists(st.one_of(SGR, TEXT), max_size=60).map("".join))
def test_ansi_shows_the_same_again(data: str) -> None:
    """Printed on a fresh terminal, the rows with their attributes are the same screen."""
    screen = show(data, rows=8, cols=80)
    again = show(screen.ansi.replace("\n", "\r\n"), rows=8, cols=80)

    assert [row.runs for row in again.lines] == [row.runs for row in screen.lines]
