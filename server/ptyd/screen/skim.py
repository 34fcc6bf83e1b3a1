"""Skimming: of much plain text a screen needs the end only.

Every line that is scrolled out of the history is as if it had never been, if nothing in the text
did more than write, colour and scroll. So a screen that comes late, or falls behind a flood, need
not draw it: ten times as fast for text, a hundred times for short lines.

Law: in a terminal without margins, at the beginning of a sequence, feeding :func:`skim` of some
output equals feeding the output.
"""

from __future__ import annotations

import re
from typing import Final

_TEXT: Final = bytes(byte for byte in range(256) if byte >= 0x20 or byte in b"\a\b\t\n\v\f\r")
_C1: Final = re.compile(rb"\xc2[\x80-\x9f]")  # IND, NEL, HTS, … as UTF-8
_COLOUR: Final = rb"\x1b\[[0-9;:]*m"  # SGR
_COLOURS: Final = re.compile(_COLOUR)
_STYLED: Final = re.compile(rb"%b|\x1b\[[0-2]?K" % _COLOUR)  # and EL: that line goes with the rest
_RESETS: Final = (b"\x1b[m", b"\x1b[0m")


def skim(data: bytes, lines: int) -> bytes | None:
    """Return the colours of ``data`` and its last ``lines`` lines; None where that is not enough.

    ``lines`` is more than the terminal holds with its history.
    """
    parts = data.rsplit(b"\r\n", lines)
    head = parts[0]
    start = len(head) + 2
    # A mark that combines, or REP, would need what stands before it.
    if len(parts) <= lines or not 0x20 <= data[start] < 0x7F or not _is_plain(data):
        return None
    colours = b"".join(_COLOURS.findall(head))
    reset = max(colours.rfind(each) for each in _RESETS)
    return colours[max(reset, 0) :] + data[start:]


def _is_plain(data: bytes) -> bool:
    """Tell whether ``data`` only writes, colours and scrolls, and ends no sequence too early."""
    if not set(data.translate(None, _TEXT)) <= {0x1B} or _C1.search(data):
        return False
    return data.count(b"\x1b") == sum(1 for _ in _STYLED.finditer(data))
