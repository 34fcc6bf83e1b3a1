"""Finding control sequences in a stream that comes in pieces.

An ESC ends whatever sequence or string is open and begins a new one (DEC STD 070; Williams' parser
diagram), so whether one of the wanted sequences begins at an ESC depends on nothing before it, and
on at most ``limit`` bytes from there on: what is found does not depend on how the stream was cut.
"""

from __future__ import annotations

import re
from typing import Final

ESC: Final = b"\x1b"
ST: Final = rb"(?:\x07|\x1b\\)"
"""A pattern: what ends an operating system command (xterm takes BEL as well)."""

_GROUND, _ESCAPE, _CSI, _OSC, _STRING = range(5)
_KINDS: Final = {b"[": _CSI, b"]": _OSC, b"P": _STRING, b"X": _STRING, b"^": _STRING, b"_": _STRING}
_ENDS: Final = {
    _ESCAPE: re.compile(rb"[\x18\x1a0-~]"),
    _CSI: re.compile(rb"[\x18\x1a@-~]"),
    _OSC: re.compile(rb"[\x07\x18\x1a]"),
    _STRING: re.compile(rb"[\x18\x1a]"),
}


class SequenceFilter:
    """Takes out what matches ``whole``; ``beginning`` matches all proper prefixes of that.

    Both begin with an ESC, or are one byte; a prefix has at most one more ESC, at its end.
    """

    def __init__(self, whole: re.Pattern[bytes], beginning: re.Pattern[bytes], limit: int) -> None:
        self._whole = whole
        self._beginning = beginning
        self._limit = limit
        self._held = b""
        self._state = _GROUND

    @property
    def holding(self) -> bool:
        """Whether a beginning is held back and wants a timer."""
        return bool(self._held)

    def feed(self, data: bytes) -> bytes:
        """Return ``data`` without what matches; the very object where nothing was to be done."""
        data = self._held + data if self._held else data
        until = self._held_from(data)
        self._held = data[until:]
        passed = data[:until] if self._held else data
        found = [
            m
            for m in self._whole.finditer(passed)
            if m.end() - m.start() <= self._limit and not self.keeps(m[0])
        ]
        if not found:
            self._state = _state_after(self._state, passed)
            return passed
        out = bytearray()
        at = 0
        for match in found:
            self._pass(passed[at : match.start()], out)
            at = match.end()
            if self._state != _GROUND and match[0].startswith(ESC):
                # Its ESC ended what was open before; without that, text would be swallowed.
                self._pass(b"\x1b\\", out)
        self._pass(passed[at:], out)
        return bytes(out)

    def keeps(self, _match: bytes) -> bool:
        """Tell whether a match stays all the same."""
        return False

    def flush(self) -> bytes:
        """Give up what is held back and return it."""
        held, self._held = self._held, b""
        self._state = _state_after(self._state, held)
        return held

    def _pass(self, data: bytes, out: bytearray) -> None:
        self._state = _state_after(self._state, data)
        out += data

    def _held_from(self, data: bytes) -> int:
        """Return where the beginning of a match starts that reaches to the end of ``data``."""
        last = data.rfind(ESC)
        candidates = [last]
        if last == len(data) - 1 and last > 0:
            candidates.insert(0, data.rfind(ESC, 0, last))
        for start in candidates:
            length = len(data) - start
            if start >= 0 and length < self._limit and self._beginning.fullmatch(data, start):
                return start
        return len(data)


def _state_after(state: int, data: bytes) -> int:
    """Return what is open after ``data``, given what was open before it."""
    last = data.rfind(ESC)
    rest = last + 1
    if last >= 0:
        state = _KINDS.get(data[rest : rest + 1], _ESCAPE)
        rest += state != _ESCAPE
    elif state == _ESCAPE and data[:1] in _KINDS:
        state = _KINDS[data[:1]]
        rest += 1
    if state == _GROUND or _ENDS[state].search(data, rest):
        return _GROUND
    return state
