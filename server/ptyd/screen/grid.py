"""Rows and cells of a native terminal, read one by one.

Rows are counted from 0, the oldest in the scrollback, to ``total``; the last ``rows`` of them are
the screen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptyd.screen.ghostty import check, ffi, lib, new_sized
from ptyd.screen.style import PLAIN, Colour, Style

if TYPE_CHECKING:
    from ptyd.screen.ghostty import Terminal

NARROW: Final = 0
WIDE: Final = 1
SPACER_HEAD: Final = 3
# What is right of a wide character, and what is left at a row's end when one did not fit.
SPACERS: Final = (2, SPACER_HEAD)

_BACKGROUND_PALETTE: Final = 2
_BACKGROUND_RGB: Final = 3
# libffi cannot pass a union by value; pyghostty declares a struct of the same layout, which the
# call convention treats alike because it is passed in memory.
_grid_ref: Final = ffi.cast(
    "GhosttyResult(*)(GhosttyTerminal, GhosttyPointS, GhosttyGridRef*)",
    ffi.addressof(lib, "ghostty_terminal_grid_ref"),
)


class Row(NamedTuple):
    """``wrapped``: it goes on in the next row, ``continues``: it goes on from the one before."""

    wrapped: bool
    continues: bool
    linked: bool
    styled: bool


class Cell(NamedTuple):
    """``text`` is empty where nothing was written; erased with a colour, it has a background."""

    text: str
    width: int = NARROW
    style: Style = PLAIN
    link: bytes = b""
    protected: bool = False

    @property
    def is_erased(self) -> bool:
        """Whether erasing leads to it: nothing but perhaps a background."""
        only_background = self.style == Style(background=self.style.background)
        return not self.text and self.width == NARROW and only_background


EMPTY: Final = Cell("")


class Grid:
    """The active screen of a terminal with its scrollback; valid until the terminal changes."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.rows, self.cols = terminal.size
        self.total = terminal.number("TOTAL_ROWS", "size_t")
        self._point = ffi.new("GhosttyPointS*")
        self._point.tag = lib.GHOSTTY_POINT_TAG_SCREEN
        self._ref = new_sized("GhosttyGridRef")
        self._style = new_sized("GhosttyStyle")
        self._cell, self._row = ffi.new("GhosttyCell*"), ffi.new("GhosttyRow*")
        self._flag, self._number = ffi.new("bool*"), ffi.new("int*")
        self._length = ffi.new("size_t*")
        self._index, self._rgb = ffi.new("uint8_t*"), ffi.new("GhosttyColorRgb*")
        self._points = ffi.new("uint32_t[64]")
        self._link = ffi.new("uint8_t[2048]")

    @property
    def scrollback(self) -> int:
        return self.total - self.rows

    def _at(self, y: int, x: int) -> None:
        self._point.value.x, self._point.value.y = x, y
        check(_grid_ref(self.terminal.handle, self._point[0], self._ref), "grid_ref")

    def row(self, y: int) -> Row:
        self._at(y, 0)
        lib.ghostty_grid_ref_row(self._ref, self._row)
        row, flag, get = self._row[0], self._flag, lib.ghostty_row_get
        get(row, lib.GHOSTTY_ROW_DATA_WRAP, flag)
        wrapped = flag[0]
        get(row, lib.GHOSTTY_ROW_DATA_WRAP_CONTINUATION, flag)
        continues = flag[0]
        get(row, lib.GHOSTTY_ROW_DATA_HYPERLINK, flag)
        linked = flag[0]
        get(row, lib.GHOSTTY_ROW_DATA_STYLED, flag)
        return Row(wrapped, continues, linked, flag[0])

    def is_untouched(self, y: int, x: int) -> bool:
        """Tell whether a cell is as a fresh terminal has it; far cheaper than :meth:`cell`."""
        self._at(y, x)
        lib.ghostty_grid_ref_cell(self._ref, self._cell)
        return not self._cell[0]

    def cell(self, y: int, x: int) -> Cell:
        if self.is_untouched(y, x):
            return EMPTY
        cell, flag, number, get = self._cell[0], self._flag, self._number, lib.ghostty_cell_get
        get(cell, lib.GHOSTTY_CELL_DATA_CONTENT_TAG, number)
        if number[0] == _BACKGROUND_PALETTE:
            get(cell, lib.GHOSTTY_CELL_DATA_COLOR_PALETTE, self._index)
            return Cell("", style=Style(background=(self._index[0],)))
        if number[0] == _BACKGROUND_RGB:
            get(cell, lib.GHOSTTY_CELL_DATA_COLOR_RGB, self._rgb)
            return Cell("", style=Style(background=(self._rgb.r, self._rgb.g, self._rgb.b)))
        get(cell, lib.GHOSTTY_CELL_DATA_WIDE, number)
        width = number[0]
        get(cell, lib.GHOSTTY_CELL_DATA_PROTECTED, flag)
        protected = flag[0]
        get(cell, lib.GHOSTTY_CELL_DATA_HAS_STYLING, flag)
        style = self._read_style() if flag[0] else PLAIN
        get(cell, lib.GHOSTTY_CELL_DATA_HAS_HYPERLINK, flag)
        link = self._read_link() if flag[0] else b""
        return Cell(self._read_text(), width, style, link, protected)

    def cells(self, y: int) -> list[Cell]:
        return [self.cell(y, x) for x in range(self.cols)]

    def selection(self, first: int, last: int) -> Any:
        """Return a native selection of whole rows, for :meth:`Terminal.format`."""
        selection = new_sized("GhosttySelection")
        self._at(first, 0)
        selection.start = self._ref[0]
        self._at(last, self.cols - 1)
        selection.end = self._ref[0]
        return selection

    def _read_text(self) -> str:
        length, read = self._length, lib.ghostty_grid_ref_graphemes
        if read(self._ref, self._points, len(self._points), length):
            # A cell may hold any number of combining marks: grow to what it says it needs.
            self._points = ffi.new("uint32_t[]", max(length[0], 1))
            check(read(self._ref, self._points, len(self._points), length), "graphemes")
        points = self._points[0 : length[0]]
        return "".join(map(chr, points)) if points != [0] else ""

    def _read_link(self) -> bytes:
        length, read = self._length, lib.ghostty_grid_ref_hyperlink_uri
        if read(self._ref, self._link, len(self._link), length):
            self._link = ffi.new("uint8_t[]", max(length[0], 1))
            check(read(self._ref, self._link, len(self._link), length), "hyperlink_uri")
        return bytes(ffi.buffer(self._link, length[0]))

    def _read_style(self) -> Style:
        lib.ghostty_grid_ref_style(self._ref, self._style)
        return style_of(self._style)


def style_of(native: Any) -> Style:
    return Style(
        _colour_of(native.fg_color),
        _colour_of(native.bg_color),
        _colour_of(native.underline_color),
        native.bold,
        native.faint,
        native.italic,
        native.blink,
        native.inverse,
        native.invisible,
        native.strikethrough,
        native.overline,
        native.underline,
    )


def _colour_of(native: Any) -> Colour:
    if native.tag == lib.GHOSTTY_STYLE_COLOR_PALETTE:
        return (native.value.palette,)
    if native.tag == lib.GHOSTTY_STYLE_COLOR_RGB:
        rgb = native.value.rgb
        return (rgb.r, rgb.g, rgb.b)
    return None
