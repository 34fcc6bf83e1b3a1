"""Keys on their way: detach keys in three encodings, held prefixes, dropped answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptyc.keyboard import Keyboard
from ptyc.replies import ReplyFilter
from ptywire.detach import Fed

KEYS = b"\x10\x11"


@pytest.mark.parametrize(
    ("encoding", "typed"),
    [
        ("plain", b"\x10\x11"),
        ("kitty", b"\x1b[112;5u\x1b[113;5u"),
        ("xterm", b"\x1b[27;5;112~\x1b[27;5;113~"),
        ("kitty", b"\x10\x11"),
        ("xterm", b"\x10\x11"),
    ],
)
def test_encodings(encoding: str, typed: bytes) -> None:
    """The keys are found however the terminal sends them, byte by byte."""
    keyboard = Keyboard(KEYS)
    keyboard.encode_keys(encoding)
    results = [keyboard.feed(bytes([byte]), 0.0) for byte in typed]

    assert [fed.detached for fed in results] == [False] * (len(typed) - 1) + [True]
    assert b"".join(fed.passed for fed in results) == b""


def test_a_held_prefix_survives_a_change_of_encoding() -> None:
    """It was typed before, so it is passed on."""
    keyboard = Keyboard(KEYS)
    keyboard.feed(b"\x10", 0.0)

    assert keyboard.encode_keys("kitty") == b"\x10"
    assert keyboard.encode_keys("kitty") == b""


def test_the_timer_of_a_prefix() -> None:
    """Half a second, and not a moment before."""
    keyboard = Keyboard(KEYS)
    assert keyboard.feed(b"a\x10", 100.0) == Fed(b"a", detached=False)
    assert keyboard.deadline == 100.5
    assert keyboard.expire(100.4).passed == b""

    assert keyboard.expire(100.5).passed == b"\x10"
    assert keyboard.deadline is None


def test_an_unfinished_answer_is_given_up() -> None:
    """Alt-[ looks like the beginning of an answer for a tenth of a second."""
    keyboard = Keyboard(KEYS)
    keyboard.replies = ReplyFilter()
    assert keyboard.feed(b"\x1b[", 1.0).passed == b""

    assert keyboard.expire(1.2).passed == b"\x1b["
    assert keyboard.feed(b"\x1b[1;1R", 2.0).passed == b""
    keyboard.feed(b"\x1b[", 3.0)
    assert keyboard.stop_filtering(3.0).passed == b"\x1b["
    assert keyboard.feed(b"\x1b[1;1R", 4.0).passed == b"\x1b[1;1R"


@given(st.lists(st.binary(max_size=12)))
def test_nothing_is_lost_without_keys(chunks: list[bytes]) -> None:
    """A user without detach keys types what they type."""
    keyboard = Keyboard(b"")

    assert b"".join(keyboard.feed(chunk, 0.0).passed for chunk in chunks) == b"".join(chunks)


ANSWERS = st.sampled_from(
    [
        b"\x1b[24;80R",
        b"\x1b[0n",
        b"\x1b[?64;1;2c",
        b"\x1b[>41;380;0c",
        b"\x1b[?2026;2$y",
        b"\x1b[4;600;800t",
        b"\x1b[?1u",
        b"\x1bP1$r0m\x1b\\",
        b"\x1bP>|kitty(0.31)\x1b\\",
        b"\x1b]11;rgb:0000/0000/0000\x07",
        b"\x1b]4;1;rgb:cccc/0000/0000\x1b\\",
        b"\x1b_Gi=1;OK\x1b\\",
    ]
)
TYPED = st.sampled_from(
    [b"a", b"ls\r", b"\x03", b"\x1b[A", b"\x1b[1;5C", b"\x1bOP", b"\x1b[200~x\x1b[201~", b"\x1bb"]
)


@given(st.lists(st.tuples(st.booleans(), ANSWERS, TYPED)), st.data())
def test_answers_are_dropped_and_keys_are_not(
    items: list[tuple[bool, bytes, bytes]], data: st.DataObject
) -> None:
    """In any mixture, cut anywhere but behind a lone escape."""
    stream = b"".join(answer if is_answer else key for is_answer, answer, key in items)
    expected = b"".join(key for is_answer, _, key in items if not is_answer)
    replies, passed, rest = ReplyFilter(), b"", stream
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        while rest[cut - 1 : cut] == b"\x1b" and cut < len(rest):
            cut += 1
        passed += replies.feed(rest[:cut])
        rest = rest[cut:]

    assert passed + replies.flush() == expected


@given(st.lists(st.binary(max_size=20)))
def test_the_filter_takes_anything(chunks: list[bytes]) -> None:
    """No bytes make it raise or grow."""
    replies = ReplyFilter()
    for chunk in chunks:
        assert len(replies.feed(chunk)) <= sum(map(len, chunks))
    replies.flush()
    assert not replies.holding


@pytest.mark.parametrize(
    ("keys", "encoding", "typed", "commands"),
    [
        (KEYS, "plain", b"\x10w\x10d\x10g", ("w", "d", "g")),
        (KEYS, "kitty", b"\x1b[112;5uw\x1b[112;5u\x1b[100u", ("w", "d")),
        (KEYS, "xterm", b"\x1b[27;5;112~g", ("g",)),
        (KEYS, "kitty", b"\x10w\x1b[112;5ud", ("w", "d")),
        (b"\x01d", "plain", b"\x01D\x01w", ("d", "w")),
    ],
)
def test_commands_are_taken_out_byte_by_byte(
    keys: bytes, encoding: str, typed: bytes, commands: tuple[str, ...]
) -> None:
    """Behind the prefix, in every encoding; the detach keys come first."""
    keyboard = Keyboard(keys)
    keyboard.encode_keys(encoding)
    keyboard.listen_for("wdg")
    results = [keyboard.feed(bytes([byte]), 0.0) for byte in typed]

    assert sum((fed.commands for fed in results), ()) == commands
    assert b"".join(fed.passed for fed in results) == b""
    assert not any(fed.detached for fed in results)


def test_a_command_that_means_nothing_is_the_programs() -> None:
    """Only what is listened for is taken, and nothing without a prefix."""
    keyboard = Keyboard(KEYS)
    keyboard.listen_for("w")
    single = Keyboard(b"\x1d")
    single.listen_for("wdg")

    assert keyboard.feed(b"\x10d\x10wx", 0.0) == Fed(b"\x10dx", detached=False, commands=("w",))
    assert single.feed(b"wdg", 0.0) == Fed(b"wdg", detached=False)
    assert keyboard.feed(b"\x10", 1.0).passed == b""
    keyboard.listen_for("")
    assert keyboard.feed(b"w\x10\x11", 1.1) == Fed(b"\x10w", detached=True)


@given(st.lists(st.sampled_from([b"\x10", b"\x11", b"w", b"d", b"x"])), st.integers(1, 5))
def test_commands_do_not_depend_on_chunks(keys: list[bytes], size: int) -> None:
    """The same is passed and taken however the reads are cut."""
    stream = b"".join(keys)
    whole, cut = Keyboard(KEYS), Keyboard(KEYS)
    whole.listen_for("wd")
    cut.listen_for("wd")
    expected = whole.feed(stream, 0.0)
    passed, commands, detached = b"", (), False
    for index in range(0, len(stream), size):
        fed = cut.feed(stream[index : index + size], 0.0)
        passed, commands, detached = passed + fed.passed, commands + fed.commands, fed.detached
        if detached:
            break

    assert Fed(passed, detached, commands) == expected


def test_a_filter_that_stays_lets_keys_through() -> None:
    """Escape is not held back, and shift-F3 is no position."""
    replies = ReplyFilter(keys=True)

    assert replies.feed(b"\x1b") == b"\x1b"
    assert replies.feed(b"\x1b[1;2R\x1b[12;40R\x1b[") == b"\x1b[1;2R"
    assert replies.feed(b"0n") == b""
