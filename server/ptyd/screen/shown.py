"""What a terminal shows, as a value for programs: text, colours, cursor and title.

Rows and columns are counted from 0 at the top left of the screen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ptyd.screen.grid import SPACERS, WIDE, Grid
from ptyd.screen.mode import CURSOR_VISIBLE
from ptyd.screen.style import PLAIN, RESET, Colour, Style, sgr

if TYPE_CHECKING:
    from ptyd.screen.emulator import Emulator
    from ptyd.screen.grid import Cell


class Run(NamedTuple):
    """Neighbouring cells of one style; ``col`` is where they begin, ``width`` their cells."""

    col: int
    width: int
    text: str
    style: Style


class Row(NamedTuple):
    """One row without the blanks at its end; ``wrapped`` when its text goes on in the next."""

    runs: tuple[Run, ...]
    wrapped: bool

    @property
    def text(self) -> str:
        return "".join(run.text for run in self.runs).rstrip(" ")

    @property
    def ansi(self) -> str:
        """The row with its attributes, as SGR sequences (ECMA-48 section 8.3.117)."""
        parts: list[str] = []
        style = PLAIN
        for run in self.runs:
            if run.style != style:
                parts.append(sgr(run.style).decode())
                style = run.style
            parts.append(run.text)
        return "".join(parts) + (RESET.decode() if style != PLAIN else "")


class Screen(NamedTuple):
    """``lines`` has ``rows`` rows, ``scrollback`` those above them, the oldest first."""

    rows: int
    cols: int
    lines: tuple[Row, ...]
    scrollback: tuple[Row, ...]
    cursor: tuple[int, int]
    cursor_visible: bool
    alternate: bool
    title: str

    @property
    def text(self) -> str:
        """The screen as text, a line a row; rows that are empty are empty lines."""
        return "\n".join(row.text for row in self.lines)

    @property
    def ansi(self) -> str:
        """As :attr:`text`, with colours and other attributes."""
        return "\n".join(row.ansi for row in self.lines)

    def to_json(self) -> dict[str, Any]:
        """Return all of it in JSON's types; a run names only what is not default."""
        return {
            "rows": self.rows,
            "cols": self.cols,
            "cursor": {
                "row": self.cursor[0],
                "col": self.cursor[1],
                "visible": self.cursor_visible,
            },
            "alternate": self.alternate,
            "title": self.title,
            "lines": [_row_to_json(row) for row in self.lines],
            "scrollback": [_row_to_json(row) for row in self.scrollback],
        }


def shown(emulator: Emulator, scrollback: int = 0) -> Screen:
    """Return what ``emulator`` shows, with up to ``scrollback`` rows of what scrolled away."""
    terminal = emulator.terminal
    grid = Grid(terminal)
    top = grid.scrollback
    return Screen(
        rows=grid.rows,
        cols=grid.cols,
        lines=tuple(_row(grid, y) for y in range(top, grid.total)),
        scrollback=tuple(_row(grid, y) for y in range(max(0, top - scrollback), top)),
        cursor=emulator.cursor,
        cursor_visible=terminal.mode(CURSOR_VISIBLE),
        alternate=bool(terminal.number("ACTIVE_SCREEN", "int")),
        title=emulator.title,
    )


def _row(grid: Grid, y: int) -> Row:
    runs: list[Run] = []
    cells = [(x, cell) for x, cell in enumerate(grid.cells(y)) if cell.width not in SPACERS]
    while cells and _is_blank(cells[-1][1]):
        cells.pop()
    for x, cell in cells:
        text, width = cell.text or " ", 2 if cell.width == WIDE else 1
        if runs and runs[-1].style == cell.style:
            run = runs[-1]
            runs[-1] = run._replace(width=run.width + width, text=run.text + text)
        else:
            runs.append(Run(x, width, text, cell.style))
    return Row(tuple(runs), grid.row(y).wrapped)


def _is_blank(cell: Cell) -> bool:
    return cell.text in ("", " ") and cell.style == PLAIN


def _row_to_json(row: Row) -> dict[str, Any]:
    return {
        "text": row.text,
        "wrapped": row.wrapped,
        "runs": [_run_to_json(run) for run in row.runs],
    }


def _run_to_json(run: Run) -> dict[str, Any]:
    default = PLAIN._asdict()
    changed = {
        name: _colour_to_json(value) if name.endswith(("ground", "colour")) else value
        for name, value in run.style._asdict().items()
        if value != default[name]
    }
    return {"col": run.col, "width": run.width, "text": run.text, **changed}


def _colour_to_json(colour: Colour) -> int | str | None:
    """A number is an entry of the palette, ``#rrggbb`` a colour of its own."""
    match colour:
        case (index,):
            return index
        case (red, green, blue):
            return f"#{red:02x}{green:02x}{blue:02x}"
        case _:
            return None
