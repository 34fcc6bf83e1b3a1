"""Typed bytes on their way to the program: detach and command keys found, old answers dropped.

A command is a letter behind the detach keys but for their last: ctrl-p w, where ctrl-p ctrl-q
detaches. Where that letter is itself the last detach key, it is the letter with shift.

Pure: the caller reads the terminal and the clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ptywire.detach import HOLD, DetachKeys, Fed

if TYPE_CHECKING:
    from ptyc.replies import ReplyFilter

_DETACH: Final = "detach"
"""The name of the detach keys in the form that the terminal should not send."""
_REPLY_HOLD: Final = 0.1
"""Seconds that the beginning of an answer may be held: terminals write answers in one go."""


class Keyboard:
    """``keys`` are the detach keys, b"" when there are none; ``replies`` while history is shown."""

    def __init__(self, keys: bytes) -> None:
        self.replies: ReplyFilter | None = None
        self.deadline: float | None = None
        self._keys = keys
        self._encoding = "plain"
        self._detach = DetachKeys(keys)
        self._commands = ""

    @property
    def has_keys(self) -> bool:
        return bool(self._keys)

    def encode_keys(self, encoding: str) -> bytes:
        """Expect keys as the terminal sends them now; return what was held back until then.

        A program may switch the terminal to the kitty protocol or xterm's modifyOtherKeys: ctrl-p
        is then an escape sequence, and the detach keys must still work. A terminal that knows
        nothing of it goes on sending plain keys: those work, too.
        """
        if encoding == self._encoding:
            return b""
        held = self._detach.flush()
        self._encoding = encoding
        self._detach = DetachKeys(_encode(self._keys, encoding), self._sequences())
        return held

    def _feed_detach(self, data: bytes) -> Fed:
        fed = self._detach.feed(data)
        if _DETACH not in fed.commands:
            return fed
        commands = fed.commands[: fed.commands.index(_DETACH)]
        return Fed(fed.passed, detached=True, commands=commands)

    def listen_for(self, letters: str) -> None:
        """Take these commands out of what is typed; the others are the program's."""
        if letters != self._commands:
            self._commands = letters
            self._detach.set_commands(self._sequences())

    def key_of(self, letter: str) -> str:
        """Return the key of a command behind the prefix, "" when there can be none."""
        if len(self._keys) < 2:
            return ""
        return letter.upper() if self._keys[-1:] == letter.encode() else letter

    def _sequences(self) -> dict[bytes, str]:
        prefix = _encode(self._keys[:-1], self._encoding)
        encoded = _encode(self._keys, self._encoding)
        # Where the keys are no control keys, both forms are the same.
        sequences: dict[bytes, str] = {} if encoded == self._keys else {self._keys: _DETACH}
        for letter in self._commands:
            if key := self.key_of(letter).encode():
                sequences[prefix + key] = sequences[self._keys[:-1] + key] = letter
                if self._encoding == "kitty" and key.islower():
                    # Where a program asks for every key as a sequence.
                    sequences[prefix + b"\x1b[%du" % ord(key)] = letter
        return sequences

    def feed(self, data: bytes, now: float) -> Fed:
        """Take bytes typed at ``now``, in seconds; return those to pass on."""
        if self.replies is not None:
            data = self.replies.feed(data)
        fed = self._feed_detach(data)
        self._arm(now)
        return fed

    def expire(self, now: float) -> Fed:
        """Give up what is held back for too long; call when ``deadline`` has passed."""
        if self.deadline is None or now < self.deadline:
            return Fed(b"", detached=False)
        if self.replies is not None and self.replies.holding:
            fed = self._feed_detach(self.replies.flush())
        else:
            fed = Fed(self._detach.flush(), detached=False)
        self._arm(now)
        return fed

    def stop_filtering(self, now: float) -> Fed:
        """From here on answers belong to the program."""
        filtering, self.replies = self.replies, None
        fed = self._feed_detach(filtering.flush() if filtering else b"")
        self._arm(now)
        return fed

    def _arm(self, now: float) -> None:
        if self.replies is not None and self.replies.holding:
            self.deadline = now + _REPLY_HOLD
        elif self._detach.holding:
            self.deadline = now + HOLD
        else:
            self.deadline = None


def _encode(keys: bytes, encoding: str) -> bytes:
    """Return ``keys`` as a terminal in that encoding sends them (``CSI code ; 5 u`` for ctrl)."""
    form = {"kitty": b"\x1b[%d;5u", "xterm": b"\x1b[27;5;%d~"}.get(encoding)
    if form is None:
        return keys
    encoded = bytearray()
    for key in keys:
        if key >= 0x20:
            encoded.append(key)
        else:
            # The code is that of the key without ctrl, in lower case: ctrl-p is 0x10, p is 0x70.
            letter = key + 0x60 if 1 <= key <= 26 else key + 0x40
            encoded += form % letter
    return bytes(encoded)
