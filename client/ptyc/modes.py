"""Terminal modes that a program switched on and may leave on: mouse, paste, alternate screen, ….

:class:`Modes` watches the bytes that went to the user's terminal, so that leaving switches off
what is on and nothing else: a program that printed a line gets no escape sequence behind it.
Sources: xterm's ctlseqs, DEC STD 070, and the kitty keyboard protocol.
"""

from __future__ import annotations

import re
from typing import Final

# DEC private modes and what a terminal starts with. The alternate screens come first: leaving one
# brings back the cursor and, in some terminals, modes of the main screen.
_DEFAULTS: Final = {
    **dict.fromkeys((1049, 1047, 47), False),
    **dict.fromkeys((1, 5, 6, 45, 66, 69), False),
    **dict.fromkeys((9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016), False),
    **dict.fromkeys((2004, 2026, 2031, 2048, 5522), False),
    7: True,
    25: True,
}
_ALTERNATE: Final = (1049, 1047, 47)
_SEQUENCE: Final = re.compile(
    rb"\x1b(?:\[([<=>?!]?)([0-9;:]*)([ ]?[A-Za-z])|([c=>])|([()])([0-9A-Za-z<>]))|([\x0e\x0f])"
)
_UNFINISHED: Final = re.compile(rb"\x1b(?:\[[<=>?!]?[0-9;:]{0,64}[ ]?|[()])?\Z")
_HARD_RESET: Final = (
    b"\x18"  # CAN: out of whatever sequence was cut
    b"\x1b[?1049l\x1b[!p\x1b[?7h\x1b[?25h"
    b"\x1b[?9;1000;1001;1002;1003;1004;1005;1006;1015;1016;2004;2026;2031;2048l"
    b"\x1b[<8u\x1b[>4;0m\x1b[?69l\x1b[r\x1b(B\x0f\x1b>\x1b[0m\x1b[0 q\x1b[H\x1b[2J"
)


class Modes:
    """What is on, after the bytes that were fed."""

    def __init__(self) -> None:
        self._tail = b""
        self._clear()

    @property
    def in_alternate(self) -> bool:
        """Whether the alternate screen is shown: a program that draws, not one that prints."""
        return any(mode in self._private for mode in _ALTERNATE)

    @property
    def key_encoding(self) -> str:
        """How the terminal sends keys with modifiers: "plain", "kitty" or "xterm"."""
        if self._keyboard or self._keyboard_flags:
            return "kitty"
        return "xterm" if self._other_keys else "plain"

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes that the terminal was given; a sequence may be split anywhere."""
        chunk = self._tail + bytes(data)
        if not (b"\x1b" in chunk or b"\x0e" in chunk or b"\x0f" in chunk):
            return  # most of a flood
        for match in _SEQUENCE.finditer(chunk):
            self._take(match)
        unfinished = _UNFINISHED.search(chunk, max(0, len(chunk) - 80))
        self._tail = unfinished[0] if unfinished else b""

    def off(self) -> bytes:
        """Return what switches off everything that is on; b"" when nothing is."""
        out = bytearray(b"\x18" if self._tail else b"")
        for mode in _DEFAULTS:
            if mode in self._private:
                out += _private(mode, on=_DEFAULTS[mode])
        if self._keyboard:
            out += b"\x1b[<%du" % len(self._keyboard)
        if self._keyboard_flags:
            out += b"\x1b[=0u"
        if self._other_keys:
            out += b"\x1b[>4;0m"
        if self._keypad:
            out += b"\x1b>"
        if self._region:
            out += b"\x1b7\x1b[r\x1b8"  # DECSTBM moves the cursor, so it is saved around it
        if self._charset:
            out += b"\x1b(B\x0f"
        if self._cursor:
            out += b"\x1b[0 q"
        if self._pen:
            out += b"\x1b[0m"
        return bytes(out)

    def on(self) -> bytes:
        """Return what brings the terminal back after :meth:`off`."""
        out = bytearray()
        for mode, default in _DEFAULTS.items():
            if mode in self._private:
                out += _private(mode, on=not default)
        for flags in self._keyboard:
            out += b"\x1b[>%su" % flags
        if self._keyboard_flags:
            out += b"\x1b[=%su" % self._keyboard_flags
        if self._other_keys:
            out += b"\x1b[>4;%sm" % self._other_keys
        if self._keypad:
            out += b"\x1b="
        if self._region:
            out += b"\x1b7\x1b[%sr\x1b8" % self._region
        if self._cursor:
            out += b"\x1b[%s q" % self._cursor
        return bytes(out) + self._tail

    def reset(self) -> bytes:
        """Return what makes a terminal as good as new, but keeps its scrollback; forget all."""
        self._tail = b""
        self._clear()
        return _HARD_RESET

    def _clear(self) -> None:
        self._private: set[int] = set()
        self._keyboard: list[bytes] = []
        self._keyboard_flags = b""
        self._other_keys = b""
        self._region = b""
        self._cursor = b""
        self._keypad = self._charset = self._pen = False

    def _take(self, match: re.Match[bytes]) -> None:
        prefix, numbers, final, simple, _, charset, shift = match.groups()
        if final is not None:
            self._take_csi(prefix, numbers, final)
        elif simple == b"c":
            self._clear()
        elif simple is not None:
            self._keypad = simple == b"="
        elif shift is not None:
            self._charset = self._charset or shift == b"\x0e"
        elif charset != b"B":
            self._charset = True

    def _take_csi(self, prefix: bytes, numbers: bytes, final: bytes) -> None:
        if prefix == b"?" and final in (b"h", b"l"):
            for number in numbers.split(b";"):
                self._set(int(number[:5]) if number.isdigit() else 0, on=final == b"h")
        elif final == b"u" and prefix:
            self._take_keyboard(prefix, numbers)
        elif final == b"m" and prefix == b">":
            resource, _, value = numbers.partition(b";")
            if resource == b"4":
                self._other_keys = b"" if value in (b"", b"0") else value
        elif final == b"m" and not prefix:
            self._pen = numbers not in (b"", b"0")
        elif final == b"r" and not prefix:
            self._region = numbers.strip(b";")
        elif final == b" q":
            self._cursor = b"" if numbers == b"0" else numbers
        elif final == b"p" and prefix == b"!":
            # DECSTR: mouse, paste and the alternate screen are xterm's and survive it.
            self._private -= {1, 5, 6, 7, 25, 66, 69}
            self._region = b""
            self._keypad = self._charset = self._pen = False

    def _take_keyboard(self, prefix: bytes, numbers: bytes) -> None:
        if prefix == b">":
            self._keyboard.append(numbers)
            del self._keyboard[:-8]  # terminals keep a short stack too
        elif prefix == b"<":
            count = int(numbers[:3]) if numbers.isdigit() else 1
            del self._keyboard[max(0, len(self._keyboard) - max(count, 1)) :]
        elif prefix == b"=":
            self._keyboard_flags = b"" if numbers.partition(b";")[0] in (b"", b"0") else numbers

    def _set(self, mode: int, *, on: bool) -> None:
        default = _DEFAULTS.get(mode)
        if default is None:
            return
        if on == default:
            self._private.discard(mode)
        else:
            self._private.add(mode)


def _private(mode: int, *, on: bool) -> bytes:
    return b"\x1b[?%d%s" % (mode, b"h" if on else b"l")
