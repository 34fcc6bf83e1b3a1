"""What a program's output may not ask of the user's terminal, taken out of it.

- OSC 52 reads hand the user's clipboard to the program: never.
- OSC 52 writes replace the clipboard: only for who asked for it, and never for a viewer.
- Title reports (CSI 20 t, CSI 21 t) and DECRQSS (DCS $ q) make the terminal type what somebody
  else chose: not for a viewer.

Sources: xterm's ctlseqs. Everything else passes byte for byte. Controls inside a sequence do not
end it (ECMA-48, DEC STD 070), nor do leading zeros change a number, so neither hides one.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from ptyc.ground import Ground

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LIMIT: Final = 256
"""Bytes of a sequence that may be held back undecided; one that is longer is taken out."""
_ABORT: Final = b"\x1b\\"
"""ST ends what was open before a sequence that is taken out; elsewhere it means nothing."""

# Possessive: two of them in a row would else share 64 KiB of NUL out in every way, for seconds.
_ANY: Final = rb"[\x00-\x17\x19\x1c-\x1f\x7f]*+"  # controls that a sequence survives
_IN: Final = rb"[\x00-\x06\x08-\x17\x19\x1c-\x1f\x7f]*+"  # the same where BEL is the end
# Colours and cursor movements, thousands in a chunk: at a glance: a third of the time.
_HARMLESS: Final = rb"(?!\[[0-9;:]*+[@-su-z~])"
_NUMBERS: Final = rb"[0-9;:\x00-\x17\x19\x1c-\x1f\x7f]*+"
_CLIPBOARD: Final = (b"(?:0" + _IN + b")*", b"5" + _IN, b"2" + _IN, b";")
_READ: Final = (*_CLIPBOARD, rb"[^;?\x07\x18\x1a\x1b\x9c]*", b"(?:;" + _IN + b")?", rb"\?")
_TITLE: Final = (
    b"(?:0" + _ANY + b")*",
    b"2" + _ANY,
    b"[01]" + _ANY,
    b"(?:[;:]" + _NUMBERS + b")?",
    b"t",
)
_DECRQSS: Final = (_NUMBERS, rb"\$" + _IN, b"q")

_ENDS: Final = {
    "osc": re.compile(rb"[\x07\x18\x1a\x9c]|\x1b\\?"),
    "dcs": re.compile(rb"[\x18\x1a\x9c]|\x1b\\?"),
    "csi": re.compile(rb"[\x18\x1a\x40-\x7e]|\x1b"),
}
_INTRODUCERS: Final = {"osc": (b"]", b"\x9d"), "dcs": (b"P", b"\x90"), "csi": (b"[", b"\x9b")}
# A bare C1 control; not where it is a part of a UTF-8 character.
_ALONE: Final = rb"(?<![\x80-\xff].)"
_OPEN_CHARACTER: Final = re.compile(
    rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z"
)


class _Rules:
    """Finds the forbidden, and what may become it.

    Each pattern begins with one byte, which the engine finds at memchr(3)'s speed; only the first
    can match where every byte is ASCII.
    """

    def __init__(self, **bodies: Sequence[bytes]) -> None:
        seven = {kind: re.escape(signs[0]) + _IN for kind, signs in _INTRODUCERS.items()}
        eight = {kind: re.escape(signs[1]) for kind, signs in _INTRODUCERS.items()}
        escape = b"\x1b" + (_HARMLESS if "csi" in bodies else b"") + _ANY
        ways: list[tuple[bytes, Mapping[str, Sequence[bytes]]]] = [
            (escape, {kind: (seven[kind], *body) for kind, body in bodies.items()}),
            (b"\xc2", {kind: (eight[kind] + _IN, *body) for kind, body in bodies.items()}),
            *((eight[kind] + _ALONE + _IN, {kind: body}) for kind, body in bodies.items()),
        ]
        self.patterns = [_compile(first, rest, _whole) for first, rest in ways]
        self._begun = [_compile(first, rest, _begun) for first, rest in ways]
        self._signs = [b"\xc2", *(_INTRODUCERS[kind][1] for kind in bodies)]

    def undecided(self, data: bytes, start: int) -> re.Match[bytes] | None:
        """Return what ``data`` ends in if more bytes may make it forbidden."""
        # An introducer ends what was before it, so the last of its kind is the one.
        at = data.rfind(b"\x1b", start)
        if at >= 0 and (match := self._begun[0].match(data, at)):
            return match
        if data.isascii():
            return None
        for begun, sign in zip(self._begun[1:], self._signs, strict=True):
            at = data.rfind(sign, start)
            if at >= 0 and (match := begun.match(data, at)):
                return match
        # Held as well, so that what it goes on with is not taken for a control.
        return _OPEN_CHARACTER.search(data, max(start, len(data) - 3))


def _compile(
    first: bytes, rest: Mapping[str, Sequence[bytes]], join: Callable[[Sequence[bytes]], bytes]
) -> re.Pattern[bytes]:
    """Return a pattern of ``first`` and any of ``rest``, whose key names the group that matched."""
    groups = [b"(?P<" + kind.encode() + b">" + join(body) + b")" for kind, body in rest.items()]
    return re.compile(first + b"(?:" + b"|".join(groups) + b")", re.DOTALL)


def _whole(parts: Sequence[bytes]) -> bytes:
    return b"".join(parts)


def _begun(parts: Sequence[bytes]) -> bytes:
    """Return a pattern for the first so many of ``parts``, perhaps none, at the end."""
    pattern = b""
    for part in reversed(parts):
        pattern = b"(?:" + part + pattern + b")?"
    return pattern + rb"\Z"


_WATCHING: Final = (("osc", _CLIPBOARD), ("csi", _TITLE), ("dcs", _DECRQSS))
_TYPING: Final = (("osc", _CLIPBOARD),)
_SHARING: Final = (("osc", _READ),)


@cache
def _rules(bodies: tuple[tuple[str, Sequence[bytes]], ...]) -> _Rules:
    """Return the rules of one of these; they take 2 ms each, and none is needed for plain text."""
    return _Rules(**dict(bodies))


class _Search:
    """Finds what any of some patterns finds, in order, looking at each byte once a pattern."""

    def __init__(self, patterns: Sequence[re.Pattern[bytes]], data: bytes) -> None:
        self._data = data
        self._found = {pattern: pattern.search(data) for pattern in patterns}

    def next(self, start: int) -> re.Match[bytes] | None:
        first: re.Match[bytes] | None = None
        for pattern, match in self._found.items():
            found = match
            if found is not None and found.start() < start:
                found = self._found[pattern] = pattern.search(self._data, start)
            if found is not None and (first is None or found.start() < first.start()):
                first = found
        return first


class Guard:
    """Takes output, returns what the terminal may have of it, under any split."""

    def __init__(self) -> None:
        self.ground = Ground()
        self._bodies: tuple[tuple[str, Sequence[bytes]], ...] = _WATCHING
        self._held = b""
        self._dropping = ""

    def allow(self, *, watches: bool, clipboard: bool) -> None:
        """Set the rules: for one who only watches, or who lets the program set the clipboard."""
        self._bodies = _WATCHING if watches else _SHARING if clipboard else _TYPING

    def reset(self) -> None:
        """Forget what was begun: the terminal is reset."""
        self._held, self._dropping = b"", ""
        self.ground.reset()

    def feed(self, data: bytes) -> bytes:
        if not self._held and not self._dropping and b"\x1b" not in data and data.isascii():
            self.ground.feed(data)
            return data
        if self._held:
            data, self._held = self._held + data, b""
        passed: list[bytes] = []
        at = self._drop(data, 0)
        patterns = _rules(self._bodies).patterns
        if data.isascii():
            patterns = patterns[:1]
        search = _Search(patterns, data)
        while match := search.next(at):
            self._pass(data[at : match.start()], passed)
            self._end_open(passed)
            kind = match.lastgroup or ""
            self._dropping = kind if kind != "csi" else ""  # whose last byte is in the match
            at = self._drop(data, match.end())
        return self._hold(data, at, passed)

    def _hold(self, data: bytes, at: int, passed: list[bytes]) -> bytes:
        """Pass what is left but for an undecided end; return all that passed."""
        end = len(data)
        undecided = None if self._held else _rules(self._bodies).undecided(data, at)
        if undecided is not None:
            end = undecided.start()
            self._held = undecided[0]
        if end > at:
            self._pass(data[at:end] if at or end < len(data) else data, passed)
        if undecided is not None and len(self._held) > LIMIT:
            self._held = b""
            kind = undecided.lastgroup or ""
            self._dropping = kind if kind and undecided[kind] else ""  # else it is any of them yet
            self._end_open(passed)
        return passed[0] if len(passed) == 1 else b"".join(passed)

    def _drop(self, data: bytes, at: int) -> int:
        """Pass over the rest of what is being dropped; return where it ends."""
        if not self._dropping:
            return at
        end = _ENDS[self._dropping].search(data, at)
        if end is None:
            return len(data)
        if end[0] == b"\x1b":
            if end.end() == len(data):
                self._held = b"\x1b"  # the first half of ST, or the beginning of something new
                return len(data)
            self._dropping = ""
            return end.start()
        self._dropping = ""
        return end.end()

    def _pass(self, data: bytes, passed: list[bytes]) -> None:
        if data:
            self.ground.feed(data)
            passed.append(data)

    def _end_open(self, passed: list[bytes]) -> None:
        if self.ground.in_sequence:
            self._pass(_ABORT, passed)
