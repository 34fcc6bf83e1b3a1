"""The text of a screen as bytes: what it shows, row by row, with its scrollback.

The library's formatter is fast and right for most rows; the rest is written cell by cell:

* rows with OSC 8 links, which the formatter drops;
* rows that were erased with a background colour, which it drops or pads with spaces;
* styled rows with cells nobody wrote to, which it paints in the style around them;
* rows whose wrap flag has lost its continuation (by cursor moves, IL, DL): it loses the line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ptyd.screen.grid import SPACER_HEAD, SPACERS, Cell, Grid
from ptyd.screen.style import PLAIN, RESET, sgr

if TYPE_CHECKING:
    from ptyd.screen.ghostty import Terminal

ALL: Final = 1 << 30
"""Scrollback rows: every one there is."""
_AT_ONCE: Final = 100_000
"""Cells that are formatted in one call: between two it is seen whether they are too much."""
_MOVE: Final = len(b"\x1b[9999;1H")
LINK_END: Final = b"\x1b]8;;\x1b\\"

# The formatter has each attribute in a sequence of its own, so a plain pattern is safe.
_LOW_COLOUR: Final = re.compile(rb"\x1b\[([34])8;5;([0-9]|1[0-5])m")


class TooLarge(ValueError):
    """More bytes than allowed."""


def link_start(link: bytes) -> bytes:
    return b"\x1b]8;;" + link + b"\x1b\\"


def content(terminal: Terminal, scrollback: int = ALL, most: int = ALL) -> bytes:
    """Return bytes that write the active screen, after up to ``scrollback`` rows of its history.

    They start at the top of an empty screen with default modes and end with default SGR. Raise
    TooLarge beyond ``most`` bytes, or a little more.
    """
    return _Content(terminal, scrollback).write(most)


def bare_content(terminal: Terminal, most: int) -> bytes:
    """Return bytes that write the characters of the active screen, and nothing else of it.

    Where these are more than ``most`` bytes, the rows at the top stay blank.
    """
    grid = Grid(terminal)
    selection = grid.selection(grid.scrollback, grid.total - 1)
    rows = terminal.format(selection, plain=True).split(b"\n")
    first, size = len(rows), 0
    while first and (size := size + len(rows[first - 1]) + _MOVE) <= most:
        first -= 1
    return b"".join(
        b"\x1b[%d;1H" % (y + 1) + rows[y].rstrip(b"\r") for y in range(first, len(rows))
    )


class _Content:
    def __init__(self, terminal: Terminal, scrollback: int) -> None:
        self.terminal = terminal
        self.grid = Grid(terminal)
        history = self.grid.scrollback
        first = max(0, history - scrollback)
        flags = [self.grid.row(y) for y in range(max(0, first - 1), self.grid.total)]
        if first:
            before = flags.pop(0)
            # Begin with a line, not in its middle.
            while first < history and before.wrapped:
                before = flags.pop(0)
                first += 1
        self.first = first
        self.rows = flags
        self.severed: set[int] = set()
        self.special = self._find_special()

    def write(self, most: int) -> bytes:
        out = bytearray()
        rows_at_once = max(1, _AT_ONCE // self.grid.cols)
        run: tuple[int, int, int] | None = None  # first and last row of plain lines, and how many
        y, total = 0, len(self.rows)
        while y < total:
            last = y
            while last < total - 1 and self.rows[last].wrapped:
                last += 1
            if self.special.isdisjoint(range(y, last + 1)):
                run = (run[0], last, run[2] + 1) if run else (y, last, 1)
            else:
                if run:
                    out += self._format(*run) + b"\r\n"
                    run = None
                out += b"".join(self._row(k, y, last) for k in range(y, last + 1))
                out += b"\r\n" if last not in self.severed else self._sever(last)
            y = last + 1
            if run and run[1] - run[0] >= rows_at_once and y < total:
                out += self._format(*run) + b"\r\n"
                run = None
            if len(out) > most:
                raise TooLarge(f"more than {most} bytes")
        if run:
            return bytes(out) + self._format(*run)
        return bytes(out.removesuffix(b"\r\n"))

    def _find_special(self) -> set[int]:
        special: set[int] = set()
        selection = self.grid.selection(self.first, self.grid.total - 1)
        plain = self.terminal.format(selection, plain=True)
        texts = plain.decode("utf-8", "replace").split("\n")
        wraps = False
        for y, row in enumerate(self.rows):
            last = y == len(self.rows) - 1
            if row.continues and (not wraps or self._is_flooded(y)):
                special.add(y)
            wraps = row.wrapped
            if row.wrapped and (last or not self.rows[y + 1].continues):
                self.rows[y] = row._replace(wrapped=False)
                special.add(y)
                if not last:
                    self.severed.add(y)
            elif row.linked or self._is_special(y, texts[y].rstrip("\r") if y < len(texts) else ""):
                special.add(y)
        return special

    def _is_special(self, y: int, text: str) -> bool:
        row, grid, at = self.rows[y], self.grid, self.first + y
        on_screen = at >= grid.scrollback
        if not text:
            # In the scrollback three cells stand for a row: it is blank or erased as a whole.
            places = range(grid.cols) if on_screen else (0, grid.cols // 2, grid.cols - 1)
            return row.wrapped or row.continues or not all(grid.is_untouched(at, x) for x in places)
        if not row.wrapped and len(text) < grid.cols:
            last = self._last_touched(at) if on_screen else grid.cols - 1
            if not grid.is_untouched(at, last) and _is_blank(grid.cell(at, last)):
                return True
        if not row.styled or " " not in text:
            return False
        # Beyond ASCII a character may be two cells, or none, of a row.
        gaps = _spaces(text) if text.isascii() else range(self._last_touched(at))
        return any(grid.is_untouched(at, x) for x in gaps)

    def _last_touched(self, at: int) -> int:
        """Return the last column of a row that is not as a fresh terminal has it."""
        x = self.grid.cols - 1
        while x and self.grid.is_untouched(at, x):
            x -= 1
        return x

    def _is_flooded(self, y: int) -> bool:
        """Tell whether wrapping to row ``y`` would fill it with a colour that it does not have."""
        at, right = self.first + y, self.grid.cols - 1
        if not y or not self.grid.is_untouched(at, right):
            return False
        # The pen at that moment is the one of the character before, or already that of the next.
        around = self.grid.cell(at - 1, right), self.grid.cell(at, 0)
        return any(cell.style.background is not None for cell in around)

    def _format(self, first: int, last: int, lines: int) -> bytes:
        """Return a run of ``lines`` whole lines as the library's formatter writes them."""
        selection = self.grid.selection(self.first + first, self.first + last)
        text = self.terminal.format(selection, unwrap=True)
        if b"8;5;" in text:
            text = _LOW_COLOUR.sub(_shorten_colour, text)
        missing = lines - 1 - text.count(b"\r\n")
        if b"\x1b" in text and not text.endswith(RESET):
            text += RESET
        return text + b"\r\n" * max(0, missing)

    def _row(self, y: int, line_first: int, line_last: int) -> bytes:
        """Return one row of a line cell by cell."""
        cells = self.grid.cells(self.first + y)
        end = len(cells)
        erased = None
        if y == line_last:
            while end and cells[end - 1].is_erased and cells[end - 1].style == PLAIN:
                end -= 1
            if end == len(cells) and cells[-1].is_erased:
                erased = cells[-1].style
                while end and cells[end - 1].is_erased and cells[end - 1].style == erased:
                    end -= 1
            if y in self.severed:
                end, erased = len(cells), None
        if y > line_first and not end:
            # Without a character nothing wraps: print one and erase it (BS, ECH).
            return b" \b\x1b[X" + (sgr(erased) + b"\x1b[K" + RESET if erased else b"")
        out, style, link = bytearray(), PLAIN, b""
        for cell in cells[:end]:
            if cell.width in SPACERS:
                continue
            if cell.style != style:
                out += sgr(cell.style)
                style = cell.style
            if cell.link != link:
                out += link_start(cell.link)
                link = cell.link
            out += (cell.text or " ").encode("utf-8", "replace")
        if link:
            out += LINK_END
        if erased is None and y > line_first and end < len(cells):
            # Where the wrap scrolled, the row was filled with the background of that moment.
            out += (RESET if style != PLAIN else b"") + b"\x1b[K"
            style = PLAIN
        if erased is not None:
            out += sgr(erased) + b"\x1b[K"
            style = erased
        return bytes(out) + (RESET if style != PLAIN else b"")

    def _sever(self, y: int) -> bytes:
        """Wrap from a full row and delete what wrapped: the flag stays, and reflow goes by it."""
        head = self.grid.cell(self.first + y, self.grid.cols - 1).width == SPACER_HEAD
        return ("\u4e00" if head else " ").encode() + b"\r\x1b[M"


def _is_blank(cell: Cell) -> bool:
    """Tell whether a cell holds no part of a character."""
    return not cell.text and cell.width not in SPACERS


def _spaces(text: str) -> list[int]:
    return [x for x, character in enumerate(text) if character == " "]


def _shorten_colour(match: re.Match[bytes]) -> bytes:
    """Colours 0 to 15 in their short forms: smaller, and bold stays bright where it is tied."""
    base, index = (30 if match[1] == b"3" else 40), int(match[2])
    return b"\x1b[%dm" % (base + index if index < 8 else base + 52 + index)
