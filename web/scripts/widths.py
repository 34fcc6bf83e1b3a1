"""Write ``web/src/widths.json``: how many cells each code point takes, by libghostty's own table.

The server's screen is libghostty's, the page's is xterm.js'; where the two disagree about a width,
everything to the right of that character is off by one. xterm.js' own table differs on thousands.

    python web/scripts/widths.py          # needs pyghostty

The file holds ``[first, last]`` of each run of code points that are not one cell wide, by width.
"""  # noqa: INP001 - a script, in a folder of its own

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Final

import pyghostty  # type: ignore[import-untyped,unused-ignore]

TABLE: Final = Path(__file__).parent.parent / "src" / "widths.json"
_END: Final = 0x110000
_SURROGATES: Final = range(0xD800, 0xE000)


def width(code_point: int) -> int:
    """Return the cells of a code point; surrogates, which are no characters, count as one."""
    if code_point in _SURROGATES:
        return 1
    return int(pyghostty.lib.ghostty_unicode_codepoint_width(code_point))


def table() -> dict[str, list[list[int]]]:
    """Return the runs of every width but 1, by width."""
    runs: dict[str, list[list[int]]] = {}
    for cells, group in groupby(range(_END), key=width):
        if cells != 1:
            members = list(group)
            runs.setdefault(str(cells), []).append([members[0], members[-1]])
    return dict(sorted(runs.items()))


def text() -> str:
    return json.dumps(table(), separators=(",", ":")) + "\n"


if __name__ == "__main__":
    sys.exit(0 if TABLE.write_text(text()) else 1)
