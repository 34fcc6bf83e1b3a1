"""Keys by name: what a terminal in its present modes would type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptyd.screen.emulator import Emulator
from ptyd.screen.keys import UnknownKey, encode, parse_key, parse_keys


def typed(names: str, modes: bytes = b"") -> bytes:
    emulator = Emulator(24, 80)
    emulator.feed(modes)
    try:
        return encode(emulator.terminal, parse_keys(names))
    finally:
        emulator.close()


@pytest.mark.parametrize(
    ("names", "data"),
    [
        ("a A é ;", b"aA\xc3\xa9;"),
        ("C-c C-C C-d C-z", b"\x03\x03\x04\x1a"),
        ("C-Space C-@ C-\\ C-] C-^ C-_", b"\0\0\x1c\x1d\x1e\x1f"),
        ("Enter Tab Escape C-[ Space BSpace", b"\r\t\x1b\x1b \x7f"),
        ("M-x C-M-a M-Enter", b"\x1bx\x1b\x01\x1b\r"),
        ("Up Down Right Left", b"\x1b[A\x1b[B\x1b[C\x1b[D"),
        ("C-Up S-Up M-Up", b"\x1b[1;5A\x1b[1;2A\x1b[1;3A"),
        ("Home End PPage NPage IC DC", b"\x1b[H\x1b[F\x1b[5~\x1b[6~\x1b[2~\x1b[3~"),
        ("F1 F5 F12 S-F5", b"\x1bOP\x1b[15~\x1b[24~\x1b[15;2~"),
        ("BTab", b"\x1b[Z"),
    ],
)
def test_as_xterm_does(names: str, data: bytes) -> None:
    """Without modes: what xterm's documentation (ctlseqs, PC-Style Function Keys) has."""
    assert typed(names) == data


def test_application_cursor_keys() -> None:
    """With DECCKM the arrows are SS3 sequences: full-screen programs ask for it."""
    assert typed("Up Home", b"\x1b[?1h") == b"\x1bOA\x1bOH"


def test_the_kitty_protocol() -> None:
    """With its first flag what was ambiguous is told apart."""
    assert typed("Escape C-c Enter", b"\x1b[>1u") == b"\x1b[27u\x1b[99;5u\r"


@pytest.mark.parametrize("name", ["Foo", "C-", "X-a", "ab", "F99", "C-Foo"])
def test_what_is_no_key(name: str) -> None:
    """One line that names it."""
    with pytest.raises(UnknownKey, match=f"'{name}' is no key"):
        parse_key(name)


@given(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]))
def test_every_character_is_a_key(character: str) -> None:
    """By itself it types itself."""
    assert typed(character) == character.encode()
