"""The user's terminal answers queries as if it typed; answers to *old* queries are held back here.

History that is shown again may hold queries that were answered long ago. Until the history is
rendered, bytes that can only be an answer are dropped: cursor position and status reports (CPR,
DSR), device attributes (DA), mode and window reports (DECRPM, XTWINOPS), and the control strings
(DCS, OSC, APC). Shift-F3 in xterm looks like a cursor position report and is dropped as well, but
for where that would be for long.
"""

from __future__ import annotations

import re
from typing import Final

_LIMIT: Final = 1 << 16
_REPLY: Final = re.compile(
    rb"\x1b\[[0-9;]+[Rnt]"  # CPR, DSR, window reports
    rb"|\x1b\[\?[0-9;]*(?:[Rncu]|\$y)"  # DECXCPR, DSR, DA1, kitty flags, DECRPM
    rb"|\x1b\[[0-9;]*\$y"  # the same for ANSI modes
    rb"|\x1b\[[>=][0-9;]*c"  # DA2, DA3
    rb"|\x1b[P\]_][^\x07\x1b]*(?:\x1b\\|\x07)"  # DCS, OSC, APC up to ST or BEL
)
_KEY: Final = re.compile(rb"\x1b\[1;[2-8]R")
"""F3 with modifiers in xterm; as a position it would be in the first row's first columns."""
_UNFINISHED: Final = re.compile(
    rb"\x1b(?:\[[?>=]?[0-9;]*\$?|[P\]_][^\x07\x1b]*\x1b?)\Z",
)


class ReplyFilter:
    """Takes typed bytes, returns them without answers, under any split but of a lone escape.

    ``keys`` where the filter stays for long: keys come before answers in doubt.
    """

    def __init__(self, *, keys: bool = False) -> None:
        self.keys = keys
        self._held = b""

    @property
    def holding(self) -> bool:
        """Whether the beginning of an answer is held back and wants a timer."""
        return bool(self._held)

    def feed(self, data: bytes) -> bytes:
        passed = _REPLY.sub(self._replace, self._held + data)
        self._held = b""
        unfinished = _UNFINISHED.search(passed)
        if unfinished is None or len(unfinished[0]) > _LIMIT:
            return passed
        self._held = unfinished[0]
        return passed[: unfinished.start()]

    def _replace(self, match: re.Match[bytes]) -> bytes:
        return match[0] if self.keys and _KEY.fullmatch(match[0]) else b""

    def flush(self) -> bytes:
        """Give up what is held back and return it: it was typed after all."""
        held, self._held = self._held, b""
        return held
