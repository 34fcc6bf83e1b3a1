"""The cursor: where it is, what it writes with, what DECSC saved.

What no call of the library gives (charsets, an open link, DECSCA) is taken from its formatter: one
row is formatted with and without that extra, and the difference is the answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ptyd.screen.content import LINK_END, link_start
from ptyd.screen.grid import WIDE, Cell, Grid, style_of
from ptyd.screen.mode import AUTO_WRAP, INSERT, ORIGIN, SYNCHRONIZED
from ptyd.screen.style import PLAIN, RESET, sgr

if TYPE_CHECKING:
    from ptyd.screen.ghostty import Terminal

DEFAULT_CHARSETS: Final = b"\x0f\x1b(B\x1b)B\x1b*B\x1b+B"
"""SI, and ASCII in G0 to G3."""

_ASCII_SET: Final = re.compile(rb"\x1b[()*+]B")
_VERTICAL: Final = re.compile(rb"\x1b\[(\d+);(\d+)r")
_HORIZONTAL: Final = re.compile(rb"\x1b\[(\d+);(\d+)s")


def added(terminal: Terminal, *extras: str) -> bytes:
    """Return the bytes that only these extras of the formatter add, after the content."""
    grid = Grid(terminal)
    row = grid.selection(grid.total - 1, grid.total - 1)
    without = terminal.format(row)
    return terminal.format(row, extras).removeprefix(without)


def charsets_of(terminal: Terminal) -> bytes:
    """Return what designates and locks in charsets other than ASCII in GL, b"" if there is none."""
    return _ASCII_SET.sub(b"", added(terminal, "charsets"))


class Margins(NamedTuple):
    """The scrolling region: its top row and left column from 0, and what sets its two parts."""

    top: int
    left: int
    vertical: bytes
    horizontal: bytes

    @classmethod
    def of(cls, terminal: Terminal) -> Margins:
        text = added(terminal, "scrolling_region")
        vertical, horizontal = _VERTICAL.search(text), _HORIZONTAL.search(text)
        return cls(
            int(vertical[1]) - 1 if vertical else 0,
            int(horizontal[1]) - 1 if horizontal else 0,
            vertical[0] if vertical else b"",
            horizontal[0] if horizontal else b"",
        )


NO_MARGINS: Final = Margins(0, 0, b"", b"")


class Cursor:
    """The cursor of a terminal; ``origin`` says whether the viewer has origin mode on."""

    def __init__(self, terminal: Terminal, margins: Margins, *, origin: bool) -> None:
        self.terminal = terminal
        self.row, self.column = terminal.cursor
        self.pen = style_of(terminal.pen())
        self.pending_wrap = terminal.flag("CURSOR_PENDING_WRAP")
        self._top, self._left = (margins.top, margins.left) if origin else (0, 0)

    def move(self, column: int | None = None) -> bytes:
        column = self.column if column is None else column
        row, column = self.row - self._top, column - self._left
        return b"\x1b[%d;%dH" % (max(row, 0) + 1, max(column, 0) + 1)

    def place(self) -> bytes:
        """Return what moves the cursor, leaves it about to wrap if it was, and sets its pen."""
        if not self.pending_wrap:
            return self.move() + sgr(self.pen)
        # Only printing the last cell of the row leads there; the cell stays what it was.
        column, cell = self._cell(self.column)
        link = link_start(cell.link) if cell.link else b""
        text = (cell.text or " ").encode("utf-8", "replace")
        end = LINK_END if link else b""
        return self.move(column) + sgr(cell.style) + link + text + end + sgr(self.pen)

    def reprint(self, link: bytes) -> tuple[bytes, bytes] | None:
        """Return how to end by printing the cell left of the cursor; None if pen and cell differ.

        The last character printed is what REP repeats and what a combining mark joins: xterm.js
        forgets it when the cursor is moved.
        """
        if not self.column:
            return None
        column, cell = self._cell(self.column if self.pending_wrap else self.column - 1)
        if cell.width == WIDE and column + 1 > self.column - (not self.pending_wrap):
            return None  # the cursor was moved into a wide character
        open_link = link_start(cell.link) if cell.link else b""
        if not cell.text or cell.style != self.pen or open_link != link:
            return None
        return self.move(column) + sgr(self.pen) + link, cell.text.encode("utf-8", "replace")

    def _cell(self, column: int) -> tuple[int, Cell]:
        """Return the character that covers a column, and the column it begins at."""
        grid = Grid(self.terminal)
        y = grid.scrollback + self.row
        cell = grid.cell(y, column)
        if column and not cell.text and grid.cell(y, column - 1).width == WIDE:
            return column - 1, grid.cell(y, column - 1)
        return column, cell


def last_words(terminal: Terminal, margins: Margins) -> bytes:
    """Return the end of a snapshot: the cursor, and the modes that would disturb what is before."""
    charsets = charsets_of(terminal)
    insert, origin = terminal.mode(INSERT, ansi=True), terminal.mode(ORIGIN)
    wrap = b"" if terminal.mode(AUTO_WRAP) else b"\x1b[?7l"
    hold = b"\x1b[?2026h" if terminal.mode(SYNCHRONIZED) else b""
    link, protection = added(terminal, "hyperlink"), added(terminal, "protection")
    cursor = Cursor(terminal, margins, origin=origin)
    again = cursor.reprint(link) if not charsets and not insert else None
    if again is not None:
        place, text = again
        return hold + wrap + protection + place + text
    tail = b"\x1b[4h" if insert else b""
    return cursor.place() + link + protection + charsets + wrap + tail + hold


def saved_cursor(terminal: Terminal) -> bytes:
    """Return what makes a viewer save (DECSC) what this screen has saved; b"" for nothing.

    The viewer has default margins and modes, before and after.
    """
    clone = terminal.clone()
    clone.feed(b"\x1b8")  # DECRC
    origin = clone.mode(ORIGIN)
    # DECSC saves no margins, and a saved row may lie outside of those there are: save without.
    margins = Margins.of(clone)._replace(top=0)
    cursor = Cursor(clone, margins, origin=origin)
    charsets = charsets_of(clone)
    home = not cursor.row and not cursor.column
    if home and not cursor.pending_wrap and cursor.pen == PLAIN and not charsets and not origin:
        return b""
    enter, leave = (b"\x1b[?6h", b"\x1b[?6l") if origin else (b"", b"")
    end = b"\x1b7" + RESET + DEFAULT_CHARSETS
    return enter + cursor.place() + charsets + end + leave
