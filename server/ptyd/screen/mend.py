"""Mending: a terminal that libghostty has spoilt in a resize, so that it can be encoded.

Where text does not flow (the alternate screen, or without auto-wrap) a resize may cut a wide
character in two. The library keeps the half, and then refuses to encode the terminal, whichever
screen is shown: no picture could be made until the program has cleared it. A terminal shows nothing
there, so the half is erased.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ptyd.screen.cursor import Cursor, Margins, added
from ptyd.screen.ghostty import GhosttyError
from ptyd.screen.grid import WIDE, Grid
from ptyd.screen.mode import ALTERNATE, ORIGIN
from ptyd.screen.style import RESET

if TYPE_CHECKING:
    from ptyd.screen.ghostty import Terminal

_DROP_HISTORY: Final = b"\x1b[3J"
"""No cursor gets there to erase less."""


def mend(terminal: Terminal) -> None:
    """Erase halves of wide characters if there are any, of a terminal outside of a character."""
    if _is_whole(terminal):
        return
    rest = terminal.continuation or b""
    if rest:
        terminal.feed(b"\x18")  # CAN
    link = added(terminal, "hyperlink")  # which a change of screens ends
    modes = {mode: terminal.mode(mode) for mode in ALTERNATE}
    there, back = b"\x1b[?47h", b"\x1b[?47l"
    if terminal.number("ACTIVE_SCREEN", "int"):
        there, back = back, there
    _mend_screen(terminal)
    terminal.feed(there)
    _mend_screen(terminal)
    terminal.feed(back)
    for mode, value in modes.items():
        terminal.set_mode(mode, value=value)
    terminal.feed(link + rest)


def _is_whole(terminal: Terminal) -> bool:
    try:
        terminal.encode()
    except GhosttyError:
        return False
    return True


def _mend_screen(terminal: Terminal) -> None:
    grid = Grid(terminal)
    right = grid.cols - 1
    cut = [y for y in range(grid.total) if grid.cell(y, right).width == WIDE]
    if not cut:
        return
    origin = terminal.mode(ORIGIN)
    cursor = Cursor(terminal, Margins.of(terminal), origin=origin)
    out = b"\x1b[?6l" + RESET
    for y in cut:
        row = y - grid.scrollback
        out += b"\x1b[%d;%dH\x1b[X" % (row + 1, right + 1) if row >= 0 else _DROP_HISTORY
    terminal.feed(out + (b"\x1b[?6h" if origin else b""))
    terminal.feed(cursor.place())
