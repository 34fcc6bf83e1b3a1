"""Keys by name, as bytes: what a terminal types when one is pressed depends on its modes.

The names are tmux's (tmux(1), KEY BINDINGS): ``C-c``, ``M-x``, ``S-Up``, ``Enter``, ``F5``.
Application keys, modifyOtherKeys and the kitty protocol are the library's encoder's to know.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptyd.screen.ghostty import check, ffi, lib

if TYPE_CHECKING:
    from ptyd.screen.ghostty import Terminal

_MODIFIERS: Final = {"S": 1, "C": 2, "M": 4}
"""The library's bits of Shift, Control and Alt."""
_NAME: Final = re.compile(r"((?:[CMS]-)*)(.|[A-Za-z][A-Za-z0-9]+)", re.DOTALL)
_NAMED: Final = {
    "Enter": "ENTER",
    "Tab": "TAB",
    "Escape": "ESCAPE",
    "Space": "SPACE",
    "BSpace": "BACKSPACE",
    "Backspace": "BACKSPACE",
    "Up": "ARROW_UP",
    "Down": "ARROW_DOWN",
    "Left": "ARROW_LEFT",
    "Right": "ARROW_RIGHT",
    "Home": "HOME",
    "End": "END",
    "PPage": "PAGE_UP",
    "PageUp": "PAGE_UP",
    "PgUp": "PAGE_UP",
    "NPage": "PAGE_DOWN",
    "PageDown": "PAGE_DOWN",
    "PgDn": "PAGE_DOWN",
    "IC": "INSERT",
    "Insert": "INSERT",
    "DC": "DELETE",
    "Delete": "DELETE",
    **{f"F{number}": f"F{number}" for number in range(1, 25)},
}
_BACK_TAB: Final = "BTab"
_PUNCTUATION: Final = {
    "`": "BACKQUOTE",
    "\\": "BACKSLASH",
    "[": "BRACKET_LEFT",
    "]": "BRACKET_RIGHT",
    ",": "COMMA",
    "=": "EQUAL",
    "-": "MINUS",
    ".": "PERIOD",
    "'": "QUOTE",
    ";": "SEMICOLON",
    "/": "SLASH",
    " ": "SPACE",
}
_LONGEST: Final = 128
"""Bytes: more than any key is."""


class UnknownKey(ValueError):
    """No key has that name; the message is a line for the user."""


class Key(NamedTuple):
    """``code`` is the library's, ``text`` what it types by itself, ``modifiers`` its bits."""

    code: int
    text: str
    modifiers: int


def parse_keys(names: str) -> list[Key]:
    """Return the keys of a list of names with blanks between them; raise UnknownKey."""
    return [parse_key(name) for name in names.split()]


def parse_key(name: str) -> Key:
    """Return the key of this name, or raise UnknownKey."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise UnknownKey(f"{name!r} is no key: give one as in C-c, M-x, S-Up, Enter, Escape or F5")
    modifiers = 0
    for letter in match[1].replace("-", ""):
        modifiers |= _MODIFIERS[letter]
    base = match[2]
    if modifiers & _MODIFIERS["C"]:
        if base == "[":  # people mean the key
            base, modifiers = "Escape", modifiers & ~_MODIFIERS["C"]
        elif len(base) == 1:
            base = base.lower()
    if base == _BACK_TAB:
        base, modifiers = "Tab", modifiers | _MODIFIERS["S"]
    if len(base) == 1:
        return Key(_code_of(base), base, modifiers)
    if base not in _NAMED:
        raise UnknownKey(f"{name!r} is no key: give one as in C-c, M-x, S-Up, Enter, Escape or F5")
    text = " " if base == "Space" else ""
    return Key(_native(_NAMED[base]), text, modifiers)


def encode(terminal: Terminal, keys: list[Key]) -> bytes:
    """Return what ``terminal`` would type in its present modes when these are pressed."""
    encoder, event = ffi.new("GhosttyKeyEncoder*"), ffi.new("GhosttyKeyEvent*")
    check(lib.ghostty_key_encoder_new(ffi.NULL, encoder), "key_encoder_new")
    try:
        check(lib.ghostty_key_event_new(ffi.NULL, event), "key_event_new")
        try:
            lib.ghostty_key_encoder_setopt_from_terminal(encoder[0], terminal.handle)
            return b"".join(_press(encoder[0], event[0], key) for key in keys)
        finally:
            lib.ghostty_key_event_free(event[0])
    finally:
        lib.ghostty_key_encoder_free(encoder[0])


def _press(encoder: Any, event: Any, key: Key) -> bytes:
    text = key.text.encode()
    lib.ghostty_key_event_set_action(event, lib.GHOSTTY_KEY_ACTION_PRESS)
    lib.ghostty_key_event_set_key(event, key.code)
    lib.ghostty_key_event_set_mods(event, key.modifiers)
    lib.ghostty_key_event_set_utf8(event, text or ffi.NULL, len(text))
    lib.ghostty_key_event_set_unshifted_codepoint(event, ord(key.text) if key.text else 0)
    out, length = ffi.new("char[]", _LONGEST), ffi.new("size_t*")
    check(
        lib.ghostty_key_encoder_encode(encoder, event, out, _LONGEST, length), "key_encoder_encode"
    )
    return bytes(ffi.buffer(out, length[0]))


def _code_of(character: str) -> int:
    lower = character.lower()
    if lower.isascii() and lower.isalpha():
        return _native(lower.upper())
    if lower.isascii() and lower.isdigit():
        return _native(f"DIGIT_{lower}")
    return _native(_PUNCTUATION.get(character, "UNIDENTIFIED"))


def _native(name: str) -> int:
    return int(getattr(lib, f"GHOSTTY_KEY_{name}"))
