r"""Detach keys: a sequence of keys that leaves a session, found in a stream of typed bytes.

The notation is docker's: single characters or ``ctrl-`` with one of ``a-z @ [ \ ] ^ _``, separated
by commas; the empty string switches the keys off. A typed prefix of the sequence is held back until
it is complete, broken, or flushed by the caller after :data:`HOLD` seconds.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

DEFAULT: Final = "ctrl-p,ctrl-q"
HOLD: Final = 0.5
"""Seconds that a prefix may be held back before the caller flushes it."""

# From @ to _ are the upper-case letters and the five signs. No str.upper(): it makes "SS" of "ß".
_CONTROL: Final = re.compile(r"[Cc][Tt][Rr][Ll]-([@-_a-z])")


class Fed(NamedTuple):
    """What to pass on, and whether the keys are complete (then the rest is dropped)."""

    passed: bytes
    detached: bool


def parse_keys(text: str) -> bytes:
    """Return the bytes that ``text`` stands for; raise ValueError with a line for the user."""
    keys = bytearray()
    for name in text.split(",") if text else ():
        if len(name) == 1 and name.isascii():
            keys += name.encode()
        elif (control := _CONTROL.fullmatch(name)) is not None:
            keys.append(ord(control[1]) & 0x1F)
        else:
            raise ValueError(f"unknown key {name!r} in detach keys: use a character or ctrl-X")
    return bytes(keys)


class DetachKeys:
    """Finds the sequence under any split of the input (Knuth, Morris and Pratt)."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._matched = 0
        self._fallback = _failure_table(keys)

    @property
    def holding(self) -> bool:
        """Whether a prefix is held back and wants a timer."""
        return self._matched > 0

    def feed(self, data: bytes) -> Fed:
        """Take typed bytes; return those to pass on."""
        if not self._keys:
            return Fed(data, detached=False)
        passed = bytearray()
        for byte in data:
            while self._matched and byte != self._keys[self._matched]:
                shorter = self._fallback[self._matched - 1]
                passed += self._keys[: self._matched - shorter]
                self._matched = shorter
            if byte != self._keys[self._matched]:
                passed.append(byte)
                continue
            self._matched += 1
            if self._matched == len(self._keys):
                self._matched = 0
                return Fed(bytes(passed), detached=True)
        return Fed(bytes(passed), detached=False)

    def flush(self) -> bytes:
        """Give up the prefix that is held back and return it."""
        held = self._keys[: self._matched]
        self._matched = 0
        return held


def _failure_table(keys: bytes) -> list[int]:
    table = [0] * len(keys)
    length = 0
    for index in range(1, len(keys)):
        while length and keys[index] != keys[length]:
            length = table[length - 1]
        length += keys[index] == keys[length]
        table[index] = length
    return table
