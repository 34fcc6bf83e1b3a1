"""All that a screen is, as values that two emulators can be compared by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ptyd.screen.cursor import added, charsets_of
from ptyd.screen.grid import EMPTY, NARROW, SPACERS, Cell, Grid, style_of
from ptyd.screen.mode import ENCODING, KNOWN, KNOWN_ANSI, TRACKING, Probe
from ptyd.screen.recipe import _keyboard_stack, _tabs
from ptyd.screen.style import PLAIN, Style

if TYPE_CHECKING:
    from ptyd.screen.emulator import Emulator
    from ptyd.screen.ghostty import Terminal

MODES = (*KNOWN, 6, 7, 25, 69, 2026, 2027, *ENCODING, *TRACKING, 47, 1047, 1049)


class Difference(NamedTuple):
    name: str
    expected: Any
    got: Any


def shown(cell: Cell) -> Cell:
    """Return a cell without what nobody can see: the pen of a blank but its background."""
    style = cell.style
    if cell.width in SPACERS:
        return EMPTY
    if cell.text in ("", " ") and cell.width == NARROW:
        if not (style.inverse or style.underline or style.strikethrough or style.overline):
            style = Style(background=style.background)
        cell = cell._replace(text="", style=style)
    return cell._replace(protected=False)


def rows_of(terminal: Terminal) -> list[Any]:
    grid = Grid(terminal)
    rows = [grid.row(y) for y in range(grid.total)]
    # Without a row that wraps before it, "continues" means nothing, and cannot be brought about.
    continued = [False, *(row.wrapped for row in rows)]
    # Nor can a wrap on the last row, from below a scrolling region, with nothing to wrap to.
    rows[-1] = rows[-1]._replace(wrapped=False)
    return [
        ((row.wrapped, row.continues and continued[y]), [shown(cell) for cell in grid.cells(y)])
        for y, row in enumerate(rows)
    ]


def cursor_of(terminal: Terminal) -> dict[str, Any]:
    return {
        "cursor": terminal.cursor,
        "pending wrap": terminal.flag("CURSOR_PENDING_WRAP"),
        "pen": style_of(terminal.pen()),
        "link": added(terminal, "hyperlink"),
        "charsets": charsets_of(terminal),
    }


def state_of(emulator: Emulator) -> dict[str, Any]:
    terminal = emulator._terminal
    state = {
        **cursor_of(terminal),
        "size": terminal.size,
        "active": terminal.number("ACTIVE_SCREEN", "int"),
        "protection": added(terminal, "protection"),
        "margins": added(terminal, "scrolling_region"),
        "keyboard": added(terminal, "keyboard"),
        "keyboard stack": _keyboard_stack(terminal),
        "tabs": _tabs(terminal),
        "mouse": Probe.shared().mouse(terminal),
        "title": terminal.text("TITLE"),
        "pwd": terminal.text("PWD"),
        "shape": terminal.cursor_shape(),
        "continuation": terminal.continuation,
        "palette": terminal.palette("COLOR_PALETTE"),
    }
    for name in ("FOREGROUND", "BACKGROUND", "CURSOR"):
        state[name] = terminal.colour("COLOR_" + name)
    for mode in MODES:
        state[f"?{mode}"] = terminal.mode(mode)
    for mode in (*KNOWN_ANSI, 4):
        state[f"{mode}"] = terminal.mode(mode, ansi=True)
    state["rows"] = rows_of(terminal)
    saved = terminal.clone()
    saved.feed(b"\x1b8")
    state["saved"] = cursor_of(saved) | {"origin": saved.mode(6)}
    if state["active"]:
        beneath = terminal.clone()
        beneath.feed(b"\x1b[?1049l" if terminal.mode(1049) else b"\x1b[?1047l\x1b[?47l")
        state["beneath"] = rows_of(beneath)
        state["stack beneath"] = _keyboard_stack(beneath)
        state["cursor beneath"] = cursor_of(beneath)
    return state


def differences(expected: dict[str, Any], got: dict[str, Any]) -> list[Difference]:
    """Return what differs, rows and cells one by one."""
    found = []
    for name, value in expected.items():
        other = got.get(name)
        if name in ("rows", "beneath") and other is not None:
            found += _row_differences(name, value, other)
        elif value != other:
            found.append(Difference(name, value, other))
    return found


def _row_differences(name: str, expected: list[Any], got: list[Any]) -> list[Difference]:
    if len(expected) != len(got):
        return [Difference(f"number of {name}", len(expected), len(got))]
    found = []
    for y, ((flags, cells), (other_flags, other_cells)) in enumerate(
        zip(expected, got, strict=True)
    ):
        if flags != other_flags:
            found.append(Difference(f"{name} {y}", flags, other_flags))
        found += [
            Difference(f"{name} {y},{x}", cell, other)
            for x, (cell, other) in enumerate(zip(cells, other_cells, strict=True))
            if cell != other
        ]
    return found


__all__ = ["PLAIN", "Difference", "differences", "state_of"]
