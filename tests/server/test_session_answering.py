"""Queries: found under any split, given to one, taken out for all others."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptyd.session.answering import NOTHING, REPLY_WITHIN, SCREEN, Answering, take_out
from ptyd.session.kind import kind_of_query, kind_of_reply
from ptyd.session.replies import is_nobodys_typing

QUERY = b"\x1b[6n"
A, B = b"client a", b"client b"
CLIENTS = {1: A, 2: B}
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
    """Who typed last of those who can; the screen while nobody can."""
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


def asked(*numbers: int) -> Answering:
    """Return a session where each of these was elected in turn and asked for the position."""
    answering = Answering(0)
    for number in numbers:
        answering.join(number)
        answering.scan(QUERY)
        answering.withdraw(number)
    return answering


def test_who_joins_does_not_answer_for_who_typed() -> None:
    """Nor does who is hidden, until it is looked at again."""
    answering = Answering(0)
    answering.join(1)
    answering.touch(1)
    answering.join(2)
    elected = [answering.answerer]
    answering.withdraw(1)
    elected.append(answering.answerer)
    answering.join(1)
    elected.append(answering.answerer)
    answering.leave(1)
    elected.append(answering.answerer)

    assert elected == [1, 2, 1, 2]


def test_where_one_drives_its_terminal_answers_or_the_screen() -> None:
    """Another one's replies would be dropped with its typing."""
    answering = Answering(0)
    answering.join(1)
    answering.join(2)
    elected = []
    for drives in (1, 2, SCREEN, 3, None):
        answering.drives = drives
        elected.append(answering.answerer)

    assert elected == [1, 2, SCREEN, SCREEN, 2]


def test_a_reply_comes_once_from_who_owes_it() -> None:
    """Also after another was elected; of a kind that was not asked for from nobody but that one."""
    answering = asked(1)
    answering.join(2)
    kept = [
        answering.keeps(2, B, b"\x1b[?64c", now=1.0),  # elected: to what we take for no query
        answering.keeps(1, A, b"\x1b[?64c", now=1.0),
        answering.keeps(1, A, b"\x1b[1;1R", now=1.0),
        answering.keeps(1, A, b"\x1b[1;1R", now=1.0),
    ]

    assert kept == [True, False, True, False]
    assert not answering.owes(1, now=1.0)


def test_what_is_given_up_is_the_screens_and_a_late_reply_is_dropped() -> None:
    """What was not sent cannot come, what was sent may, once, within the time for replies."""
    answering = asked(1, 1)
    given = answering.give_up(1, A, 0.0, after=-1, until=None, sent=len(QUERY))
    answering.join(1)
    answering.come_back(A, 100.0)
    kept = [answering.keeps(1, A, b"\x1b[1;1R", now=101.0) for _ in range(2)]

    assert given == answering.unanswered
    assert [query.end for query in given] == [4, 8]
    assert kept == [False, True]


def test_a_terminal_that_does_not_know_a_query_does_not_owe_a_reply_for_ever() -> None:
    """Some time after it has shown it; till then it does, and nobody else answers in between."""
    answering = asked(1)
    owed = [answering.owes(1, 1000.0)]
    answering.rendered(1, 3, 1000.0)
    owed.append(answering.owes(1, 2000.0))
    answering.rendered(1, 4, 2000.0)
    owed += [answering.owes(1, 2000.0 + REPLY_WITHIN / 2)]
    given = answering.give_up(1, A, 2000.0 + REPLY_WITHIN, after=-1, until=None, sent=4)

    assert owed == [True, True, True]
    assert given == []


@given(
    st.lists(
        st.sampled_from(["ask", "reply", "screen", "skip", "leave", "join 1", "join 2", "resend"]),
        max_size=40,
    )
)
def test_each_query_is_answered_at_most_once_and_once_if_it_is_given_up(actions: list[str]) -> None:
    """Whatever comes between: the terminals answer what they are shown, in the worst order."""
    session = Answering(0)
    answers: list[int] = []  # ends of the queries whose replies reached the program
    late: dict[int, list[int]] = {1: [], 2: []}  # replies under way from each terminal

    def give_up(number: int, sent: int) -> None:
        after = sent if sent < session.settled else -1
        client = CLIENTS[number]
        given = session.give_up(number, client, 0.0, after=after, until=None, sent=sent)
        answers.extend(query.end for query in given if session.take_reply(query))

    def reply(number: int) -> None:
        if late[number]:
            end = late[number].pop(0)
            if session.keeps(number, CLIENTS[number], b"\x1b[1;1R", 0.0):
                answers.append(end)

    for action in actions:
        elected = session.answerer
        if action == "ask":
            (query,) = session.scan(QUERY)
            if query.number:
                late[query.number].append(query.end)
        elif action == "screen":
            for _, end in session.open_after(0):
                if session.hear_screen(end, b"screen"):
                    answers.append(end)
        elif action == "skip" and elected:
            (query,) = session.scan(QUERY)
            give_up(elected, query.end - 1)
        elif action in ("reply", "resend"):
            for number in (1, 2):
                reply(number)
        elif action == "leave" and elected:
            give_up(elected, session.settled)
            session.leave(elected)
        elif action.startswith("join"):
            session.come_back(CLIENTS[int(action[-1])], 0.0)
            session.join(int(action[-1]))
    for number in (1, 2):
        while late[number]:
            reply(number)
    for _, end in session.open_after(0):
        if session.hear_screen(end, b"screen"):
            answers.append(end)

    assert sorted(answers) == sorted({q.end for q in session._queries})


@pytest.mark.parametrize(
    ("query", "reply"),
    [
        (b"\x1b[c", b"\x1b[?64;1;2c"),
        (b"\x1bZ", b"\x1b[?1;2c"),
        (b"\x1b[>c", b"\x1b[>41;354;0c"),
        (b"\x1b[=c", b"\x1bP!|00000000\x1b\\"),
        (b"\x1b[5n", b"\x1b[0n"),
        (b"\x1b[06n", b"\x1b[12;40R"),
        (b"\x1b[?6n", b"\x1b[?12;40R"),
        (b"\x1b[?996n", b"\x1b[?997;1n"),
        (b"\x1b[?2026$p", b"\x1b[?2026;2$y"),
        (b"\x1b[>q", b"\x1bP>|xterm(390)\x1b\\"),
        (b"\x1b[?u", b"\x1b[?1u"),
        (b"\x1b[?4m", b"\x1b[>4;2m"),
        (b"\x1b[14t", b"\x1b[4;480;640t"),
        (b"\x1b[21t", b"\x1b]ltitle\x1b\\"),
        (b"\x1b]11;?\x07", b"\x1b]11;rgb:0000/0000/0000\x07"),
        (b"\x1b]4;1;?\x1b\\", b"\x1b]4;1;rgb:cd/00/00\x1b\\"),
        (b"\x1bP$qm\x1b\\", b"\x1bP1$r0m\x1b\\"),
        (b"\x1b_Gi=31,a=q;AAAA\x1b\\", b"\x1b_Gi=31;OK\x1b\\"),
    ],
)
def test_a_reply_is_known_by_its_query(query: bytes, reply: bytes) -> None:
    """As xterm, kitty and the rest answer them."""
    assert kind_of_query(query) == kind_of_reply(reply)
    assert is_nobodys_typing(reply * 2)
    assert not is_nobodys_typing(reply + b"x")
