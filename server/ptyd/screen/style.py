"""The look of a cell, and the SGR sequence that asks for it (ECMA-48 section 8.3.117, ctlseqs)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeAlias

Colour: TypeAlias = tuple[int, ...] | None
"""None is the terminal's default, one number an entry of the palette, three are red green blue."""


class Style(NamedTuple):
    """``underline`` is 0 for none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed."""

    foreground: Colour = None
    background: Colour = None
    underline_colour: Colour = None
    bold: bool = False
    faint: bool = False
    italic: bool = False
    blink: bool = False
    inverse: bool = False
    invisible: bool = False
    strikethrough: bool = False
    overline: bool = False
    underline: int = 0


PLAIN = Style()
RESET = b"\x1b[0m"


@lru_cache(maxsize=4096)
def sgr(style: Style) -> bytes:
    """Return the sequence that leads to ``style`` from any other."""
    parts = ["0"]
    attributes = (
        (style.bold, "1"),
        (style.faint, "2"),
        (style.italic, "3"),
        (style.blink, "5"),
        (style.inverse, "7"),
        (style.invisible, "8"),
        (style.strikethrough, "9"),
        (style.overline, "53"),
    )
    parts += [code for wanted, code in attributes if wanted]
    if style.underline:
        parts.append("4" if style.underline == 1 else f"4:{style.underline}")
    parts += _colour(style.foreground, 30) + _colour(style.background, 40)
    match style.underline_colour:
        case (index,):
            parts.append(f"58:5:{index}")
        case (red, green, blue):
            parts.append(f"58:2::{red}:{green}:{blue}")
        case _:
            pass
    return f"\x1b[{';'.join(parts)}m".encode()


def _colour(colour: Colour, base: int) -> list[str]:
    match colour:
        # The short forms keep bold-is-bright in terminals that tie it to 30 to 37.
        case (index,) if index < 8:
            return [str(base + index)]
        case (index,) if index < 16:
            return [str(base + 60 + index - 8)]
        case (index,):
            return [f"{base + 8};5;{index}"]
        case (red, green, blue):
            return [f"{base + 8};2;{red};{green};{blue}"]
        case _:
            return []
