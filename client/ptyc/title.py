r"""News in the title of the terminal's window, where it touches nothing on the screen.

The title that was there is pushed on the terminal's stack and popped again (xterm's CSI 22 ; 2 t
and CSI 23 ; 2 t); one that the program set is set again, for terminals without that stack, and in
case the program set it meanwhile.
"""

from __future__ import annotations

import re
from typing import Final

SHOWN_FOR: Final = 5.0
"""Seconds."""
URGENT_FOR: Final = 15.0
_WITHOUT_TITLE: Final = ("", "dumb", "linux", "vt52", "vt100", "vt102", "vt220", "unknown")
_LONGEST: Final = 1024
_SET: Final = re.compile(rb"\x1b\][02];([^\x07\x1b]{0,1024})(?:\x07|\x1b\\)")
_BEGUN: Final = re.compile(rb"\x1b(?:\](?:[02](?:;[^\x07\x1b]{0,1024}\x1b?)?)?)?\Z")
_PUSH: Final = b"\x1b[22;2t"
_POP: Final = b"\x1b[23;2t"


class Title:
    """``until`` is when the news are to be taken away, None when none are shown."""

    def __init__(self, term: str) -> None:
        self.until: float | None = None
        self._works = term not in _WITHOUT_TITLE
        self._program = b""
        self._tail = b""

    def watch(self, data: bytes) -> None:
        """Note the title that the program sets; a sequence may be split anywhere."""
        if not self._tail and b"\x1b" not in data:
            return
        data = self._tail + data
        at = 0
        if b"\x1b]" in data:
            for match in _SET.finditer(data):
                self._program, at = match[1], match.end()
        begun = _BEGUN.search(data, max(at, len(data) - _LONGEST - 8))
        self._tail = begun[0] if begun else b""

    def show(self, text: str, now: float, *, urgent: bool = False) -> bytes:
        """Return what shows ``text``, which must be printable; urgent news ring and stay longer."""
        if not self._works:
            return b""
        push = _PUSH if self.until is None else b""
        self.until = now + (URGENT_FOR if urgent else SHOWN_FOR)
        return push + _set(f"ptyc: {text}".encode()) + b"\x07" * urgent

    def hide(self) -> bytes:
        """Return what brings the title back that was there."""
        if self.until is None:
            return b""
        self.until = None
        return _POP + (_set(self._program) if self._program else b"")


def _set(title: bytes) -> bytes:
    return b"\x1b]2;" + title + b"\x1b\\"
