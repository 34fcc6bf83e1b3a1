"""Queries: found under any split, given to one, taken out for all others."""

from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from ptyd.session.answering import NOTHING, Answering, take_out

QUERY = b"\x1b[6n"
PIECES = st.lists(
    st.sampled_from([b"text", QUERY, b"\x1b[31m", b"\r\n", b"\x1b]11;?\x07", b"\x1b", b"\x1b["]),
    max_size=12,
).map(b"".join)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(at)]


@given(PIECES, st.lists(st.integers(0, 1000), max_size=8))
def test_queries_are_found_under_any_split(data: bytes, places: list[int]) -> None:
    """What is found, and where, does not depend on how the output came."""
    whole, pieces = Answering(100), Answering(100)
    found = whole.scan(data)
    in_pieces = []
    held = b""
    for piece in cut(data, places):
        held += piece
        before = pieces.settled
        in_pieces += pieces.scan(held)
        held = held[pieces.settled - before :]

    assert in_pieces == found
    assert pieces.settled == whole.settled


@given(PIECES, st.integers(0, 60), st.integers(0, 60))
def test_what_is_taken_out_is_the_queries_and_nothing_else(data: bytes, a: int, b: int) -> None:
    """Over any range, queries cut by its ends included."""
    answering = Answering(0)
    answering.scan(data)
    start, end = sorted((min(a, len(data)), min(b, len(data))))
    foreign = answering.foreign(start, end, number=7)
    edited = take_out(data[start:end], start, foreign)
    spans = [(q.start, q.end) for q in foreign]
    kept = bytes(
        byte
        for at, byte in enumerate(data[start:end], start)
        if not any(s <= at < e for s, e in spans)
    )

    assert edited.replace(NOTHING, b"") == kept
    assert edited.count(NOTHING) == len(spans)
    assert len(edited) <= end - start or any(s < start or e > end for s, e in spans)


def test_a_query_belongs_to_who_was_elected_when_it_was_printed() -> None:
    """The latest active of those who can; the screen while nobody can."""
    answering = Answering(0)
    answering.scan(QUERY)
    answering.join(1)
    answering.join(2)
    answering.scan(QUERY)
    answering.touch(1)
    answering.scan(QUERY)
    answering.leave(1)
    answering.scan(QUERY)
    foreign = [[q.start for q in answering.foreign(0, 100, number)] for number in (0, 1, 2)]

    assert foreign == [[4, 8, 12], [0, 4, 12], [0, 8]]
    assert answering.answerer == 2
    assert re.fullmatch(rb"(\x1b\\)*", take_out(QUERY * 4, 0, answering.foreign(0, 16, 9)))
