"""The recipe: bytes that make a fresh terminal of the same size show and be what this one is.

Law: for any prefix of any stream, feeding the snapshot and then the rest equals feeding everything.
The order matters. Text comes first, while nothing disturbs it; then what is set by sequences; then
the cursor; at the very end the sequence that was cut in the middle. What no call can read is read
from a clone that is driven there: the screen beneath the alternate one, the saved cursor, the
stack of keyboard modes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ptyd.screen.content import TooLarge, bare_content, content
from ptyd.screen.cursor import (
    DEFAULT_CHARSETS,
    NO_MARGINS,
    Cursor,
    Margins,
    added,
    charsets_of,
    last_words,
    saved_cursor,
)
from ptyd.screen.grid import Grid
from ptyd.screen.mode import (
    ALTERNATE,
    CURSOR_VISIBLE,
    GRAPHEMES,
    MARGINS,
    ORIGIN,
    changed_modes,
    mouse_modes,
)
from ptyd.screen.style import RESET

if TYPE_CHECKING:
    from collections.abc import Callable

    from ptyd.screen.ghostty import Terminal

UNSET_SHAPE: Final = 3
"""Hollow block: no program can ask for it, so as the default it means that none asked."""
_SHAPES: Final = {0: 5, 1: 1, 2: 3}  # bar, block, underline to DECSCUSR, blinking
_KEYBOARD_DEPTH: Final = 8
_TAB: Final = re.compile(rb"\x1b\[(\d+)G\x1bH")


def snapshot(terminal: Terminal, scrollback: int, most: int, *, bare: bool) -> bytes:
    """Return the bytes for a terminal that was just reset; raise TooLarge for more than ``most``.

    ``bare``: the characters alone, without looks and history, which is never too large.
    """

    def draw(screen: Terminal) -> bytes:
        if bare:  # twice, where the alternate screen is shown, and there is more than the screens
            return bare_content(screen, most * 3 // 8)
        return content(screen, scrollback, most)

    rest = terminal.continuation
    parts = [
        b"\x1b[?2027h" if terminal.mode(GRAPHEMES) else b"",
        _screens(terminal, draw),
        RESET,
        _colours(terminal),
        _named(b"2", terminal.text("TITLE")),
        _named(b"7", terminal.text("PWD")),
        _tabs(terminal),
    ]
    margins = Margins.of(terminal)
    if terminal.mode(MARGINS):
        parts += [b"\x1b[?69h", margins.horizontal]
    parts += [
        saved_cursor(terminal),
        margins.vertical,
        changed_modes(terminal),
        mouse_modes(terminal),
        added(terminal, "keyboard"),
        _keyboard_stack(terminal),
        b"\x1b[?6h" if terminal.mode(ORIGIN) else b"",
        _shape(terminal),
        b"" if terminal.mode(CURSOR_VISIBLE) else b"\x1b[?25l",
        last_words(terminal, margins),
        rest or b"",
    ]
    data = b"".join(parts)
    if len(data) > most:
        raise TooLarge(f"{len(data)} bytes")
    return data


def _screens(terminal: Terminal, draw: Callable[[Terminal], bytes]) -> bytes:
    switches = [mode for mode in ALTERNATE if terminal.mode(mode)]
    if not terminal.number("ACTIVE_SCREEN", "int"):
        return _stale(switches) + draw(terminal)
    switch = switches[0] if switches else 47
    primary = terminal.clone()
    primary.feed(b"\x1b[?%dl" % switch)
    parts = [draw(primary), _keyboard_stack(primary)]
    # 1049 saves the cursor by itself when it is set again, and restored ours just now.
    if switch != 1049:
        parts.append(saved_cursor(primary))
    parts += [
        Cursor(primary, NO_MARGINS, origin=False).place(),
        charsets_of(primary),
        *(b"\x1b[?%dh" % each for each in switches or (47,)),
        RESET + DEFAULT_CHARSETS + b"\x1b[2J\x1b[H",
        draw(terminal),  # it has no history
    ]
    return b"".join(parts)


def _stale(switches: list[int]) -> bytes:
    """Return what leaves these switches on and the primary screen shown: another one was reset."""
    back = next((mode for mode in ALTERNATE if mode not in switches), 0)
    if not switches or not back:
        return b""
    return b"".join(b"\x1b[?%dh" % mode for mode in switches) + b"\x1b[?%dl" % back


def _named(command: bytes, text: bytes) -> bytes:
    return b"\x1b]" + command + b";" + text + b"\x1b\\" if text else b""


def _colours(terminal: Terminal) -> bytes:
    """Return only the colours that differ from the defaults, which are the viewer's own matter."""
    out = bytearray()
    palettes = zip(
        terminal.palette("COLOR_PALETTE"), terminal.palette("COLOR_PALETTE_DEFAULT"), strict=True
    )
    for index, (colour, default) in enumerate(palettes):
        if colour != default:
            out += b"\x1b]4;%d;rgb:%02x/%02x/%02x\x1b\\" % (index, *colour)
    for name, command in (("FOREGROUND", 10), ("BACKGROUND", 11), ("CURSOR", 12)):
        now = terminal.colour(f"COLOR_{name}")
        if now is not None and now != terminal.colour(f"COLOR_{name}_DEFAULT"):
            out += b"\x1b]%d;rgb:%02x/%02x/%02x\x1b\\" % (command, *now)
    return bytes(out)


def _tabs(terminal: Terminal) -> bytes:
    grid = Grid(terminal)
    row = grid.selection(grid.total - 1, grid.total - 1)
    stops = [int(n) for n in _TAB.findall(terminal.format(row, ["tabstops"]))]
    if stops == list(range(9, grid.cols + 1, 8)):
        return b""
    return b"\x1b[3g" + b"".join(b"\x1b[%dG\x1bH" % stop for stop in stops)


def _keyboard_stack(terminal: Terminal) -> bytes:
    """Return the pushes (CSI > flags u) that build this screen's stack of keyboard modes."""
    clone = terminal.clone()
    flags: list[int] = []
    for _ in range(_KEYBOARD_DEPTH + 1):
        flags.append(clone.number("KITTY_KEYBOARD_FLAGS", "uint8_t"))
        clone.feed(b"\x1b[<1u")
    while flags and not flags[-1]:
        flags.pop()
    return b"".join(b"\x1b[>%du" % each for each in reversed(flags))


def _shape(terminal: Terminal) -> bytes:
    shape, blinking = terminal.cursor_shape()
    if shape == UNSET_SHAPE:
        return b"\x1b[?12h" if blinking else b""
    return b"\x1b[%d q" % (_SHAPES[shape] + (not blinking))
