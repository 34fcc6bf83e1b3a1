"""Lines of ours over the last rows of a screen that the server paints anew afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# CAN ends a sequence that was cut; then nothing of the program's may bend what we draw: no
# margins, no origin mode, no charset, no colours, no wrapping, no cursor in between.
_PREPARE: Final = b"\x18\x1b[?6l\x1b[?69l\x1b[r\x1b(B\x0f\x1b[?7l\x1b[?25l\x1b[0m"


def draw(lines: Sequence[str], rows: int, cols: int) -> bytes:
    """Return what draws ``lines`` at the bottom of a screen of this size, as many as fit."""
    shown = list(lines)
    if len(shown) > rows:
        shown = [*shown[: rows - 1], f"and {len(shown) - rows + 1} lines more"]
    out = bytearray(_PREPARE)
    for row, line in enumerate(shown, rows - len(shown) + 1):
        text = f" {line}"[:cols]
        out += b"\x1b[%d;1H\x1b[7m%s\x1b[K\x1b[0m" % (row, text.encode())
    return bytes(out)
