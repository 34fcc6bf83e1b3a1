r"""The title of the terminal's window: the user's own, the program's, and our news for a while.

The title that was there is pushed on the terminal's stack and popped again (xterm's CSI 22 ; 2 t
and CSI 23 ; 2 t), before and after news, and before the program's first and when we leave. One that
the program set is set again behind news, for terminals without that stack, and in case the program
set it meanwhile.
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
        self._is_set = False  # by the program, since it has the terminal
        self._is_saved = False  # what was before that

    def watch(self, data: bytes) -> bytes:
        """Note the title that the program sets; a sequence may be split anywhere.

        Return the bytes for the terminal: before the first title it saves the one that was there.
        """
        if not self._works or (not self._tail and b"\x1b" not in data):
            return data
        shown, whole = len(self._tail), self._tail + data
        at, first = 0, -1
        if b"\x1b]" in whole:
            for match in _SET.finditer(whole):
                self._program, at = match[1], match.end()
                first = match.start() if first < 0 else first
        begun = _BEGUN.search(whole, max(at, len(whole) - _LONGEST - 8))
        self._tail = begun[0] if begun else b""
        if first < 0 and begun is not None and b"]" in self._tail:
            first = begun.start()
        if first < 0 or self._is_set:
            return data
        self._is_set = True
        if first < shown:
            return data  # the terminal has its ESC already: too late
        self._is_saved = True
        return data[: first - shown] + _PUSH + data[first - shown :]

    def leave(self) -> bytes:
        """Return what brings the title back that was there before any of ours or the program's."""
        out = self.hide() + (_POP if self._is_saved else b"")
        self._is_set = self._is_saved = False
        return out

    def come_back(self) -> bytes:
        """Return what brings the program's title back after :meth:`leave`."""
        if not self._works or not self._program:
            return b""
        self._is_set = self._is_saved = True
        return _PUSH + _set(self._program)

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
