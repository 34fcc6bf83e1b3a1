"""Detach keys: found under any split, never eating a byte that is not theirs."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptywire.detach import DEFAULT, DetachKeys, Fed, parse_keys

# Few letters, so that prefixes of the keys repeat inside them and in what is typed.
KEYS = st.text("ab", min_size=1, max_size=6).map(str.encode)
TYPED = st.lists(st.text("abc", max_size=6).map(str.encode), max_size=12)


def feed_all(keys: bytes, chunks: list[bytes]) -> Fed:
    """Feed until the keys are found; else flush, as the caller's timer would."""
    detach = DetachKeys(keys)
    passed = b""
    for chunk in chunks:
        fed = detach.feed(chunk)
        passed += fed.passed
        if fed.detached:
            return Fed(passed, detached=True)
    return Fed(passed + detach.flush(), detached=False)


def reference(keys: bytes, typed: bytes) -> Fed:
    before, found, _ = typed.partition(keys)
    return Fed(before, detached=bool(found))


@given(KEYS, TYPED)
def test_keys_are_found_under_any_split(keys: bytes, chunks: list[bytes]) -> None:
    """The result is that of bytes.partition on everything typed, however it arrived."""
    assert feed_all(keys, chunks) == reference(keys, b"".join(chunks))


@given(KEYS, TYPED)
def test_only_a_prefix_of_the_keys_is_held_back(keys: bytes, chunks: list[bytes]) -> None:
    """What was passed on and what is held are all that was typed, at every moment."""
    detach = DetachKeys(keys)
    passed = typed = b""
    for chunk in chunks:
        fed = detach.feed(chunk)
        passed, typed = passed + fed.passed, typed + chunk
        if fed.detached:
            assert not detach.holding
            return
        held = typed[len(passed) :]
        assert typed.startswith(passed)
        assert keys.startswith(held)
        assert detach.holding == bool(held)


@given(KEYS, TYPED, st.integers(0, 11))
def test_a_flush_forgets_what_was_typed(keys: bytes, chunks: list[bytes], at: int) -> None:
    """After the timer the keys start anew: halves around a pause do not detach."""
    detach = DetachKeys(keys)
    for chunk in chunks[:at]:
        if detach.feed(chunk).detached:
            return
    detach.flush()
    later = b"".join(chunks[at:])

    assert detach.flush() == b""
    assert detach.feed(later).detached == reference(keys, later).detached


@given(st.binary(max_size=40))
def test_without_keys_everything_passes(data: bytes) -> None:
    """The empty string switches the keys off."""
    detach = DetachKeys(parse_keys(""))

    assert detach.feed(data) == Fed(data, detached=False)
    assert not detach.holding


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (DEFAULT, b"\x10\x11"),
        ("", b""),
        ("a", b"a"),
        ("ctrl-a,d", b"\x01d"),
        ("CTRL-A,Ctrl-Z", b"\x01\x1a"),
        ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\0\x1b\x1c\x1d\x1e\x1f"),
        ("-, ,~", b"- ~"),
    ],
)
def test_the_notation_is_docker_s(text: str, keys: bytes) -> None:
    """Characters and ctrl- names, separated by commas."""
    assert parse_keys(text) == keys


@pytest.mark.parametrize(
    "text",
    [
        ",",
        "a,",
        ",a",
        "ctrl-",
        "ctrl-1",
        "ctrl-`",
        "ctrl-{",
        "ctrl-pq",
        "é",
        "ctrl-ß",
        "ctrl-\u0131",
    ],
)
def test_an_unknown_key_is_named(text: str) -> None:
    """The user learns which key is wrong."""
    with pytest.raises(ValueError, match="unknown key"):
        parse_keys(text)


@given(st.text(max_size=12) | st.text("ctrl-,ß@", max_size=12))
def test_parsing_raises_nothing_but_value_error(text: str) -> None:
    """Whatever is given is keys or one line for the user."""
    try:
        keys = parse_keys(text)
    except ValueError:
        return

    assert keys.isascii()


@given(st.lists(st.sampled_from(string.ascii_lowercase + "@[\\]^_"), min_size=1, max_size=4))
def test_control_keys_are_what_a_terminal_sends(letters: list[str]) -> None:
    """Ctrl clears the three high bits, whatever the case of the letter."""
    lower = parse_keys(",".join(f"ctrl-{letter}" for letter in letters))
    upper = parse_keys(",".join(f"ctrl-{letter.upper()}" for letter in letters))

    assert lower == upper == bytes(ord(letter) & 0x1F for letter in letters)
