"""Each query is answered once, whatever becomes of the client whose terminal was to answer it."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

from wire_client import VISIBLE

if TYPE_CHECKING:
    from served import Served
    from wire_client import WireClient

QUERY = b"\x1b[6n"
REPLY = b"\x1b[7;7R"
"""A terminal's; the screen says where its own cursor is."""
SCREENS = b"\x1b[1;%dR"


def terminal(served: Served, **fields: object) -> WireClient:
    """Attach somebody whose terminal can answer, and show what there is."""
    client = served.attached(answers=True, **fields)
    client.wait_until(lambda: client.snapshots == 1)
    return client


def is_told(client: WireClient) -> bool | None:
    """Return what the client was last told about whether it answers."""
    told = [event["answers"] for event in client.events if event["event"] == "answerer"]
    return bool(told[-1]) if told else None


def ask(served: Served, *readers: WireClient) -> None:
    """Print a query, and wait until it was shown to the readers."""
    served.print(QUERY)
    for reader in readers:
        reader.wait_until(lambda r=reader: r.offset >= served.session.output.end)


def flood(served: Served) -> None:
    """Print so much that who does not acknowledge it has fallen behind."""
    line, lines = b"x" * 78 + b"\r\n", 20_000
    data, written = memoryview(line * lines), 0
    while written < len(data):
        assert select.select([], [served.program.out], [], 20)[1]
        written += os.write(served.program.out, data[written : written + 4096])


def assert_silence(served: Served) -> None:
    """What is typed next is all there is: nothing was typed before it."""
    other = served.attached()
    other.type(b".")

    assert served.typed(1) == b"."
    assert not select.select([served.program.stdin], [], [], 0)[0]
    other.close()


def test_who_is_hidden_is_not_asked(served: Served) -> None:
    """The screen is, until somebody looks again."""
    client = served.attached(answers=True, hidden=True)
    served.print(b"ab" + QUERY)

    assert served.typed(6) == SCREENS % 3
    assert is_told(client) is None
    client.send(VISIBLE, b"\1")
    client.wait_until(lambda: is_told(client) is True)
    client.read_until("ab")
    ask(served, client)
    assert client.output.endswith(QUERY)
    client.type(REPLY)
    assert served.typed(6) == REPLY
    client.send(VISIBLE, b"\0")
    served.wait(lambda: not served.session.output.answering.answerer)
    served.print(QUERY)
    assert served.typed(6) == SCREENS % 3
    assert_silence(served)


def test_who_is_hidden_before_it_was_sent_a_query_leaves_it_to_the_screen(served: Served) -> None:
    """It gets a picture of later, and its terminal never knows."""
    client = terminal(served)
    client.acks = False
    flood(served)  # more than may be on the way to one who acknowledges nothing
    served.print(b"ab" + QUERY)
    client.send(VISIBLE, b"\0")

    assert served.typed(7) == b"\x1b[24;3R"
    assert_silence(served)


def test_who_gets_a_picture_leaves_the_query_to_the_screen(served: Served) -> None:
    """Because it fell behind."""
    client = terminal(served)
    client.acks = False
    flood(served)
    served.print(b"ab" + QUERY)
    client.acks = True
    client.wait_until(lambda: client.snapshots >= 2)

    assert QUERY not in client.output
    assert served.typed(7) == b"\x1b[24;3R"
    assert_silence(served)


def test_who_is_gone_before_its_reply_leaves_the_query_to_the_screen(served: Served) -> None:
    """And what it sends again when it comes back is not typed a second time."""
    client = terminal(served)
    ask(served, client)
    client.close()
    served.wait(lambda: not served.session.audience.readers)

    assert served.typed(6) == SCREENS % 1
    with client.again(lossless=False, answers=True) as again:
        again.type(REPLY + b"key")
        assert served.typed(3) == b"key"
        ask(served, again)
        again.type(REPLY)
        assert served.typed(6) == REPLY
        assert_silence(served)


def test_who_is_back_before_it_was_missed_does_not_answer_twice(served: Served) -> None:
    """A connection that broke silently is there for a while, beside the new one."""
    client = terminal(served, rows=30, cols=90)
    ask(served, client)
    again = served.attached(
        **{
            "client": client.hello["client"],
            "from": client.offset,
            "epoch": client.hello["epoch"],
            "answers": True,
        }
    )

    assert served.typed(6) == SCREENS % 1
    again.type(REPLY)
    assert_silence(served)


def test_who_has_answered_leaves_nothing_to_the_screen(served: Served) -> None:
    """Nor does one whose terminal does not know the query, after a while."""
    client = terminal(served)
    ask(served, client)
    client.type(REPLY)
    assert served.typed(6) == REPLY
    served.print(b"\x1b[?u")
    client.wait_until(lambda: client.offset >= served.session.output.end)
    answering = served.session.output.answering
    served.wait(lambda: all(query.due < 1e300 for query in answering._open))
    served.on_loop(lambda: [setattr(query, "due", 0.0) for query in answering._open])
    client.close()
    served.wait(lambda: not served.session.audience.readers)

    assert_silence(served)


def test_a_reply_counts_after_another_was_elected(served: Served) -> None:
    """It was asked; it is told to be silent when it has answered."""
    first = terminal(served)
    first.wait_until(lambda: is_told(first) is True)
    ask(served, first)
    second = terminal(served)
    second.type(b"x")
    second.wait_until(lambda: is_told(second) is True)
    assert served.typed(1) == b"x"
    first.type(REPLY)
    second.type(b"y")

    assert sorted(served.typed(7)) == sorted(REPLY + b"y")
    first.wait_until(lambda: is_told(first) is False)
    first.type(REPLY)
    assert_silence(served)


def test_who_joins_is_not_asked_instead_of_who_types(served: Served) -> None:
    """What a terminal says by itself is no typing."""
    typist = terminal(served)
    typist.type(b"x")
    assert served.typed(1) == b"x"
    late = terminal(served)
    late.wait_until(lambda: is_told(late) is False)
    ask(served, typist, late)
    late.type(REPLY)
    typist.type(REPLY)

    assert served.typed(6) == REPLY
    assert typist.output.endswith(QUERY)
    assert QUERY not in late.output
    assert_silence(served)


def test_the_drivers_terminal_answers(served: Served) -> None:
    """Where one drives the others' typing is dropped, their replies with it."""
    served.session.people.one_driver = True
    driver = terminal(served)
    driver.wait_until(lambda: is_told(driver) is True)
    other = terminal(served)
    other.type(b"not its turn")
    ask(served, driver, other)
    other.type(REPLY)
    driver.type(REPLY)

    assert served.typed(6) == REPLY
    served.print(QUERY)
    driver.read_until(QUERY * 2)
    served.on_loop(lambda: served.session.people.grant(1, 2))
    served.on_loop(served.session.announce)
    other.wait_until(lambda: is_told(other) is True)
    driver.type(b"not its turn")
    driver.type(REPLY)
    assert served.typed(6) == REPLY  # it was asked while it drove


def test_replies_before_a_picture_was_rendered_may_be_lost(served: Served) -> None:
    """A client drops what its terminal says while it repaints: the screen answers for it."""
    client = terminal(served)
    ask(served, client)
    client.acks = False
    flood(served)
    client.acks = True
    client.wait_until(lambda: client.snapshots >= 2)

    assert served.typed(6) == SCREENS % 1
    client.type(REPLY)
    assert_silence(served)


def test_the_screen_is_tried_again_until_it_has_answered(served: Served) -> None:
    """One that crashes takes no answer with it."""
    served.on_loop(served.session.pictures._link._blame)  # it has just crashed
    served.print(QUERY)

    assert served.typed(6) == SCREENS % 1
