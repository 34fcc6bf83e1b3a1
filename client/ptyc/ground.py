"""Whether a terminal is between sequences: only there may something of ours be written.

After ECMA-48 and the parser of DEC's VT500 (vt100.net/emu/dec_ansi_parser): ESC begins anew
wherever it stands, so what a chunk ends in depends on its last introducer alone. C1 controls count
in their UTF-8 form; a bare one is no character of a UTF-8 terminal.
"""

from __future__ import annotations

import re
from typing import Final

_GROUND, _ESCAPE, _CSI, _OSC, _STRING = range(5)
_C1: Final = re.compile(rb"\xc2([\x90\x98\x9b\x9d-\x9f])")
_FINAL: Final = re.compile(rb"[\x18\x1a\x30-\x7e]")
_CSI_FINAL: Final = re.compile(rb"[\x18\x1a\x40-\x7e]")
_OSC_END: Final = re.compile(rb"[\x07\x18\x1a]|\xc2\x9c")
_STRING_END: Final = re.compile(rb"[\x18\x1a]|\xc2\x9c")
_AFTER_ESCAPE: Final = {
    b"[": _CSI,
    b"]": _OSC,
    **dict.fromkeys((b"P", b"X", b"^", b"_"), _STRING),
}
_AFTER_C1: Final = {b"\x9b": _CSI, b"\x9d": _OSC}
_OPEN_CHARACTER: Final = re.compile(
    rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z"
)


class Ground:
    """Follows what a terminal was given; a sequence may be split anywhere."""

    def __init__(self) -> None:
        self._state = _GROUND
        self._last = b""

    @property
    def in_sequence(self) -> bool:
        """Whether a control sequence or string has begun and not ended."""
        return self._state != _GROUND

    @property
    def is_reached(self) -> bool:
        """Whether neither a sequence nor a character is unfinished."""
        return self._state == _GROUND and _OPEN_CHARACTER.search(self._last) is None

    def reset(self) -> None:
        self._state, self._last = _GROUND, b""

    def feed(self, data: bytes) -> None:
        at = self._restart(data)
        if self._state == _ESCAPE:
            final = _FINAL.search(data, at)
            if final is None:
                return
            at = final.end()
            self._state = _AFTER_ESCAPE.get(final[0], _GROUND)
        if self._state != _GROUND:
            ends = {_CSI: _CSI_FINAL, _OSC: _OSC_END}.get(self._state, _STRING_END)
            if ends.search(data, at):
                self._state = _GROUND
        self._last = (self._last + data[-3:])[-3:]

    def _restart(self, data: bytes) -> int:
        """Find the last introducer; return where to go on."""
        at = data.rfind(b"\x1b")
        if not data.isascii():
            for match in _C1.finditer(data, at + 1):
                self._state = _AFTER_C1.get(match[1], _STRING)
                at = -1 - match.end()
        if at < -1:
            return -1 - at
        if at >= 0:
            self._state = _ESCAPE
        return at + 1
