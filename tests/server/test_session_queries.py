"""Queries and replies are found under any split, and nothing else is touched."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptyd.session import queries, replies
from ptyd.session.queries import QueryFilter, find_queries, holds_query
from ptyd.session.replies import ReplyFilter

QUERIES = [
    *(b"\x1b[c", b"\x1b[0c", b"\x1b[>c", b"\x1b[>0c", b"\x1b[=c", b"\x1bZ"),
    *(b"\x1b[5n", b"\x1b[6n", b"\x1b[?6n", b"\x1b[?996n", b"\x1b[?15n"),
    *(b"\x1b[?2026$p", b"\x1b[4$p", b"\x1b[>q", b"\x1b[>0q", b"\x1b[?u", b"\x1b[?4m"),
    *(b"\x1b[14t", b"\x1b[16t", b"\x1b[18t", b"\x1b[19t", b"\x1b[20t", b"\x1b[21t", b"\x1b[14;2t"),
    *(b"\x1bP$qm\x1b\\", b"\x1bP$q q\x1b\\", b"\x1bP+q544e;436f\x1b\\"),
    *(b"\x1b]4;1;?\x07", b"\x1b]4;1;?;2;?\x1b\\", b"\x1b]10;?\x07", b"\x1b]11;?\x1b\\"),
    *(b"\x1b]12;?\x07", b"\x1b]10;?;?\x07", b"\x1b]52;c;?\x07", b"\x1b]52;;?\x1b\\"),
    *(b"\x1b]21;foreground=?\x1b\\", b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"),
]
OUTPUT = [
    *(b"text", b"\r\n", "漢字é".encode(), b"\x1b[31m", b"\x1b[?25l", b"\x1b[2J", b"\x1b[1;1H"),
    *(b"\x1b]2;title\x07", b"\x1b]0;a?\x1b\\", b"\x1b]4;1;#fff\x07", b"\x1b]10;#fff\x07"),
    *(b"\x1b]52;c;aGk=\x07", b"\x1b[22;0t", b"\x1b[8;24;80t", b"\x1b[>1u", b"\x1b[<u", b"\x1b[=1u"),
    *(b"\x1b[>4;2m", b"\x1b[!p", b"\x1b[2 q", b"\x1b[?2026h", b"\x1b[u", b"\x1b[s", b"\x1b7"),
    *(b"\x1bPq#0\x1b\\", b"\x1b_Ga=T;AAAA\x1b\\", b"\x1b]8;;http://x/?\x1b\\", b"\x1b(0", b"\x1bc"),
]
REPLIES = [
    *(b"\x1b[24;80R", b"\x1b[?1;1R", b"\x1b[0n", b"\x1b[?997;1n", b"\x1b[?62;22c", b"\x1b[>1;0;0c"),
    *(b"\x1b[?2026;2$y", b"\x1b[4;2$y", b"\x1b[8;24;80t", b"\x1b[?0u", b"\x1bP1$r0m\x1b\\"),
    *(b"\x1bP>|xterm\x1b\\", b"\x1b]11;rgb:0000/0000/0000\x07", b"\x1b]52;c;aGk=\x1b\\"),
    *(b"\x1bP!|00000000\x1b\\", b"\x1b]lTitle\x1b\\", b"\x1b_Gi=31;OK\x1b\\", b"\x1b[>4;1m"),
]
KEYS = [
    *(b"ls\r", b"\x03", b"\x1b[A", b"\x1bOP", b"\x1b[3~", b"\x1b[1;5C", b"\x1b[<0;3;4M", b"\x1b[I"),
    *(
        b"\x1b[97;5u",
        b"\x1b[200~paste\x1b[201~",
        b"\x1b[15;2~",
        b"\x1bx",
        "é".encode(),
        b"\x1b[M !!",
    ),
]


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def through(new: type[QueryFilter | ReplyFilter], parts: list[bytes]) -> bytes:
    filtered = new()
    return b"".join(map(filtered.strip, parts)) + filtered.flush()


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_taken_out(query: bytes) -> None:
    """Whole, with text around it."""
    assert QueryFilter().strip(b"a" + query + b"b") == b"ab"
    assert holds_query(query)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_taken_out_byte_by_byte(query: bytes) -> None:
    """Nothing of it gets through before it is known what it is."""
    filtered = QueryFilter()

    assert [filtered.strip(bytes((byte,))) for byte in query] == [b""] * len(query)
    assert not filtered.holding


@pytest.mark.parametrize("output", OUTPUT)
def test_other_output_is_the_very_object(output: bytes) -> None:
    """So who asks need not compare, and nothing is copied."""
    assert QueryFilter().strip(output) is output
    assert not holds_query(output)


@pytest.mark.parametrize("reply", REPLIES)
def test_a_reply_is_dropped(reply: bytes) -> None:
    """Whole, and byte by byte."""
    assert ReplyFilter().strip(b"a" + reply + b"b") == b"ab"
    assert through(ReplyFilter, [bytes((byte,)) for byte in reply]) == b""


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_not_dropped(key: bytes) -> None:
    """Nor held back, once it is whole."""
    assert ReplyFilter().strip(key) == key


def test_an_escape_is_a_key_after_a_while() -> None:
    """It may be the beginning of a reply: until the timer says that it is not."""
    filtered = ReplyFilter()

    assert filtered.strip(b"\x1b") == b""
    assert filtered.holding
    assert filtered.flush() == b"\x1b"
    assert not filtered.holding


def test_a_string_that_a_query_interrupts_is_ended() -> None:
    """Its ESC did that, and goes with the query; else the text after it would be a title."""
    assert QueryFilter().strip(b"\x1b]2;cut\x1b[6ntext") == b"\x1b]2;cut\x1b\\text"
    assert through(QueryFilter, [b"\x1b]2;c", b"ut", b"\x1b[6", b"ntext"]) == (
        b"\x1b]2;cut\x1b\\text"
    )


@pytest.mark.parametrize("start", [b"\x1b[", b"\x1b]52;", b"\x1bP+q", b"\x1b_G", b"\x1b]10;"])
def test_what_is_held_back_is_bounded(start: bytes) -> None:
    """A sequence without an end is let go."""
    filtered = QueryFilter()
    passed = b"".join(filtered.strip(part) for part in [start, *[b"1" * 100] * 100])

    assert passed + filtered.flush() == start + b"1" * 10000
    assert len(passed) >= 10000 - queries.LIMIT
    assert replies.LIMIT < 1 << 20


@given(st.lists(st.sampled_from(QUERIES + OUTPUT)), st.lists(st.integers(0)))
def test_queries_are_found_under_any_split(parts: list[bytes], cuts: list[int]) -> None:
    """And all that is not one comes out, in order."""
    expected = b"".join(part for part in parts if part in OUTPUT)

    assert through(QueryFilter, pieces(b"".join(parts), cuts)) == expected


@given(st.lists(st.sampled_from(REPLIES + KEYS)), st.lists(st.integers(0)))
def test_replies_are_found_under_any_split(parts: list[bytes], cuts: list[int]) -> None:
    """And every key comes out, in order."""
    expected = b"".join(part for part in parts if part in KEYS)

    assert through(ReplyFilter, pieces(b"".join(parts), cuts)) == expected


SOUP = st.lists(
    st.sampled_from(
        [*QUERIES, *REPLIES, *OUTPUT, *KEYS, b"\x1b", b"\x1b[", b"\x1b]", b"\x07", b"?"]
    )
    | st.binary(max_size=3)
).map(b"".join)


@given(SOUP, st.lists(st.integers(0)), st.sampled_from([QueryFilter, ReplyFilter]))
def test_the_result_does_not_depend_on_the_cuts(
    data: bytes, cuts: list[int], new: type[QueryFilter | ReplyFilter]
) -> None:
    """Whatever the bytes are."""
    assert through(new, pieces(data, cuts)) == through(new, [data])


@given(SOUP)
def test_what_was_stripped_holds_no_query(data: bytes) -> None:
    """One pass is enough, also where taking one out brings two halves together."""

    assert not holds_query(through(QueryFilter, [data]))


@pytest.mark.parametrize(
    "start", [b"\x1b[", b"\x1b[?", b"\x1b]99;", b"\x1b]21", b"\x1bP$q", b"\x1b_G"]
)
@pytest.mark.parametrize("again", [b"1;", b"p=?", b";a=?", b",a=q", b"\x1b["])
def test_no_output_takes_long_to_look_through(start: bytes, again: bytes) -> None:
    """Nobody is served meanwhile, and a chunk of a well-chosen sequence is easily printed."""
    chunk = start + again * ((64 << 10) // len(again))
    started = time.thread_time()
    find_queries(chunk)

    assert time.thread_time() - started < 0.1
