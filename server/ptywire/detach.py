r"""Detach keys: a sequence of keys that leaves a session, found in a stream of typed bytes.

The notation is docker's: single characters or ``ctrl-`` with one of ``a-z @ [ \ ] ^ _``, separated
by commas; the empty string switches the keys off. A typed prefix of the sequence is held back until
it is complete, broken, or flushed by the caller after :data:`HOLD` seconds. Other sequences may be
looked for beside it, which ask something of the client and are swallowed too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT: Final = "ctrl-p,ctrl-q"
HOLD: Final = 0.5
"""Seconds that a prefix may be held back before the caller flushes it."""

# From @ to _ are the upper-case letters and the five signs. No str.upper(): it makes "SS" of "ß".
_CONTROL: Final = re.compile(r"[Cc][Tt][Rr][Ll]-([@-_a-z])")


class Fed(NamedTuple):
    """What to pass on, and whether the keys are complete (then the rest is dropped).

    ``commands`` are the names of other sequences that were typed, in order.
    """

    passed: bytes
    detached: bool
    commands: tuple[str, ...] = ()


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
    """Finds the sequence, and those of ``commands``, under any split of the input.

    No sequence may begin with another whole one.
    """

    def __init__(self, keys: bytes, commands: Mapping[bytes, str] | None = None) -> None:
        self._keys = keys
        self._commands = commands or {}
        self._held = b""

    @property
    def holding(self) -> bool:
        """Whether a prefix is held back and wants a timer."""
        return bool(self._held)

    def set_commands(self, commands: Mapping[bytes, str]) -> None:
        """Look for these from here on; what is held back stays held."""
        self._commands = commands

    def feed(self, data: bytes) -> Fed:
        """Take typed bytes; return those to pass on."""
        if not self._keys:
            return Fed(data, detached=False)
        sequences = (self._keys, *self._commands)
        firsts = {sequence[:1] for sequence in sequences}
        passed = bytearray()
        commands: list[str] = []
        at = 0
        while at < len(data):
            if not self._held:
                found = [index for first in firsts if (index := data.find(first, at)) >= 0]
                begin = min(found, default=len(data))
                passed += data[at:begin]
                at = begin
            self._held += data[at : at + 1]
            at += 1
            # The longest end of what is held that a sequence begins with stays held.
            while self._held and not any(each.startswith(self._held) for each in sequences):
                passed += self._held[:1]
                self._held = self._held[1:]
            if self._held == self._keys:
                self._held = b""
                return Fed(bytes(passed), detached=True, commands=tuple(commands))
            if self._held in self._commands:
                commands.append(self._commands[self._held])
                self._held = b""
        return Fed(bytes(passed), detached=False, commands=tuple(commands))

    def flush(self) -> bytes:
        """Give up the prefix that is held back and return it."""
        held, self._held = self._held, b""
        return held
