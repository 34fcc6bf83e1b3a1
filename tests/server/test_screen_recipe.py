"""The law: a snapshot and then the rest equals everything, cell by cell and mode by mode."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ptyd.screen.content import ALL, TooLarge
from ptyd.screen.emulator import Emulator
from ptyd.screen.mode import ENCODING, TRACKING
from screen_state import differences, state_of
from screen_streams import CASES, SOUP

ROWS, COLS = 10, 40
RESTS = (
    b"",
    b"Zz",
    b"\x1b8Q",
    b"\r\n\r\nabc\x1b[5b\x1b[K",
    b"\x1b[?1049lX\x1b8Y",
    b"\xcc\x81m\x1b[3b",
    b"\x0eq\x0fq\tq" + b"w" * 50,
)
# What REP repeats is only known where the snapshot could end with printing it.
REPEATS = re.compile(rb"\x1b\[[^@-~]*b")
SIZES = ((10, 60), (7, 23), (30, 40))
MOUSE = st.builds(
    b"\x1b[?%d%b".__mod__,
    st.tuples(st.sampled_from(TRACKING + ENCODING), st.sampled_from((b"h", b"l"))),
)
# What a resize does to these follows from what no call and no clone tells.
UNTOLD_IN_A_RESIZE = ("saved", "beneath", "cursor beneath")


def fed(data: bytes) -> Emulator:
    emulator = Emulator(ROWS, COLS)
    emulator.feed(data)
    return emulator


def restored(emulator: Emulator) -> Emulator:
    copy = Emulator(*emulator.size)
    copy.feed(emulator.snapshot(ALL))
    return copy


@pytest.mark.parametrize("name", CASES)
def test_a_snapshot_and_the_rest_equal_everything(name: str) -> None:
    """Whatever comes after the cut."""
    whole = fed(CASES[name])
    joined = restored(whole)

    for rest in RESTS:
        first, second = Emulator.decode(whole.encode()), Emulator.decode(joined.encode())
        first.feed(rest)
        second.feed(rest)
        assert differences(state_of(first), state_of(second)) == [], rest


@pytest.mark.parametrize("name", CASES)
def test_a_snapshot_is_resized_like_the_original(name: str) -> None:
    """Lines flow alike: what is one line is one line in the snapshot too."""
    whole = fed(CASES[name])
    joined = restored(whole)

    for size in SIZES:
        whole.resize(*size)
        joined.resize(*size)
        found = differences(state_of(whole), state_of(joined))
        assert [each for each in found if each.name not in UNTOLD_IN_A_RESIZE] == [], size


@pytest.mark.parametrize("name", CASES)
def test_every_prefix_of_a_case_keeps_the_law(name: str) -> None:
    """Cut anywhere, in a sequence and in a character too; long cases at 12 places."""
    data = CASES[name]
    for cut in range(0, len(data), max(1, len(data) // 12)):
        joined = restored(fed(data[:cut]))
        joined.feed(data[cut:])

        assert differences(state_of(fed(data)), state_of(joined)) == [], cut


@given(SOUP, SOUP)
@settings(max_examples=150)
def test_any_stream_keeps_the_law(prefix: bytes, rest: bytes) -> None:
    """Hostile soup, cut in any state."""
    assume(not REPEATS.search(prefix[-20:] + rest))
    whole = fed(prefix)
    joined = restored(whole)

    assert differences(state_of(whole), state_of(joined)) == []
    whole.feed(rest)
    joined.feed(rest)
    assert differences(state_of(whole), state_of(joined)) == []


@given(st.lists(MOUSE, max_size=6), MOUSE)
def test_mouse_modes_keep_the_law(before: list[bytes], after: bytes) -> None:
    """In any order: an encoding may be set before anything is tracked."""
    whole = fed(b"".join(before))
    joined = restored(whole)
    whole.feed(after)
    joined.feed(after)

    assert differences(state_of(whole), state_of(joined)) == []


@given(st.binary(max_size=400))
def test_any_bytes_keep_the_law(data: bytes) -> None:
    """Not even sequences."""
    whole = fed(data)

    assert differences(state_of(whole), state_of(restored(whole))) == []


@given(SOUP)
@settings(max_examples=150)
def test_a_bare_snapshot_lacks_looks_alone(data: bytes) -> None:
    """The characters, the cursor and the modes are there."""
    whole = fed(data)
    copy = Emulator(*whole.size)
    copy.feed(whole.snapshot(0, bare=True))
    found = differences(state_of(whole), state_of(copy))
    names = {re.split(r"[ \d]*\d", each.name)[0] for each in found}

    assert copy.text() == whole.text()
    assert names <= {"rows", "number of rows", "beneath", "number of beneath"}


def test_a_snapshot_is_as_large_as_it_may_be() -> None:
    """Too large is said; a bare one leaves the top rows out."""
    emulator = fed(b"".join(b"\x1b[%d;1H\x1b[38;2;1;2;%dmrow %d" % (y, y, y) for y in range(1, 11)))
    size = len(emulator.snapshot(0))
    assert len(emulator.snapshot(0, size)) == size
    with pytest.raises(TooLarge):
        emulator.snapshot(0, size - 1)
    with pytest.raises(TooLarge):
        emulator.snapshot(0, 20)
    copy = Emulator(ROWS, COLS)
    copy.feed(emulator.snapshot(0, size // 2, bare=True))
    shown = [row for row in copy.text() if row]

    assert copy.text() == [*[""] * (ROWS - len(shown)), *emulator.text()[-len(shown) :]]
    assert 0 < len(shown) < ROWS


def test_a_snapshot_is_small() -> None:
    """A full screen of coloured text is at most 10 KB."""
    emulator = Emulator(24, 80)
    for n in range(24 * 13):
        emulator.feed(b"\x1b[%dmword%02d" % (31 + n % 7, n % 100))

    assert len(emulator.snapshot(0)) <= 10_000


def test_the_scrollback_of_a_snapshot_is_limited() -> None:
    """The rows asked for, from the beginning of a line on."""
    emulator = Emulator(5, 20)
    emulator.feed(b"".join(b"line %d\r\n" % n for n in range(500)))
    copy = Emulator(5, 20)
    copy.feed(emulator.snapshot(100))

    assert copy.text() == emulator.text()
    assert copy._terminal.number("TOTAL_ROWS", "size_t") == 105
