"""Sizes of a terminal: rows and columns, their bounds, and the policies that choose one."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

MAX_ROWS: Final = 1000
MAX_COLS: Final = 2000
POLICIES: Final = ("latest", "smallest", "largest", "owner")

Size: TypeAlias = tuple[int, int]
"""Rows and columns, in that order."""


def clamp(rows: int, cols: int) -> Size:
    """Return the nearest size that a terminal can have and an emulator can bear."""
    return min(max(rows, 1), MAX_ROWS), min(max(cols, 1), MAX_COLS)


def parse_policy(text: str) -> str | Size:
    """Return a policy's name, or the size that ``ROWSxCOLS`` fixes; raise ValueError."""
    if text in POLICIES:
        return text
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    if match is None or not (0 < int(match[1]) <= MAX_ROWS and 0 < int(match[2]) <= MAX_COLS):
        raise ValueError(
            f"{text!r}: a size policy is {', '.join(POLICIES)} or ROWSxCOLS, "
            f"at most {MAX_ROWS}x{MAX_COLS}"
        )
    return int(match[1]), int(match[2])
