"""Others, in words: who came, who left, whose turn it is."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ptyc.company import Company
from ptyc.hello import parse_hello
from ptyc.keyboard import Keyboard
from ptyc.panel import draw
from ptyc.presence import Presence
from ptyc.title import Title
from ptywire.message import Resize


def person(number: int, name: str = "", **fields: Any) -> dict[str, Any]:
    return {"id": number, "name": name or f"guest-{number}", "role": "control", **fields}


def clients(*people: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"event": "clients", "clients": list(people), "count": len(people), **fields}


def company(*people: dict[str, Any], me: int = 1, **fields: Any) -> Company:
    made = Company()
    made.begin(me)
    made.take(clients(*people, **fields))
    return made


def test_who_comes_and_goes_is_told_but_for_those_who_were_there() -> None:
    """The first list is no news; of many their number is said."""
    it = Company()
    it.begin(1)

    assert it.take(clients(person(1), person(2, "ada"))) == []
    assert it.take(clients(person(1), person(2, "ada"), person(3, "bob"))) == ["bob came"]
    assert it.take(clients(person(1))) == ["ada and bob left"]
    assert it.take(clients(*map(person, range(1, 6)))) == ["guest-2, guest-3 and 2 more came"]


def test_who_comes_back_at_once_was_not_away() -> None:
    """A lost connection makes a new number for the same name."""
    it = company(person(1), person(2, "ada"))

    assert it.take(clients(person(1), person(7, "ada"))) == []
    assert it.take(clients(person(1)), quiet=True) == []


def test_a_crowd_is_no_news() -> None:
    """Where not everybody is listed nobody can be missed."""
    it = company(person(1), person(2))

    assert it.take(clients(person(1), person(3)) | {"count": 500}) == []
    assert it.lines()[-1] == "and 498 more"


def test_turns() -> None:
    """Who drives, who asks in which order, and who may grant."""
    it = company(person(1), person(2, "ada", driver=True), one_driver=True)
    assert it.is_driven_by_another
    assert not it.may_grant

    assert it.take(clients(person(1, driver=True), person(2, "ada"), one_driver=True)) == [
        "you drive"
    ]
    assert it.may_grant
    it.take(clients(person(1, driver=True), person(2), person(3, asks=True), one_driver=True))
    before = it.asking
    it.take(
        clients(person(1, driver=True), person(2, asks=True), person(3, asks=True), one_driver=True)
    )
    assert [each.id for each in it.asking] == [3, 2]
    assert [each.id for each in it.newly_asking(before)] == [2]


def test_names_cannot_drive_the_terminal() -> None:
    """A server is believed nothing."""
    it = company(person(1), person(2, "a\x1b]0;x\x07\nb"))

    assert "\x1b" not in "".join(it.lines())
    assert it.lines()[1].startswith("a?]0;x?")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "name", "asks", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON, JSON, JSON)
def test_any_event(listed: object, count: object, one: object) -> None:
    """Whatever is in it."""
    it = company(person(1), person(2))

    it.take({"clients": listed, "count": count, "one_driver": one})
    it.lines()


def test_news_in_the_title_and_back() -> None:
    """The title before is pushed once and popped once; the program's own is set again."""
    title = Title("xterm-256color")

    assert title.show("one", 1.0) == b"\x1b[22;2t\x1b]2;ptyc: one\x1b\\"
    assert title.show("two", 2.0, urgent=True) == b"\x1b]2;ptyc: two\x1b\\\x07"
    assert title.until == 17.0
    assert title.hide() == b"\x1b[23;2t"
    assert title.hide() == b""
    title.show("three", 1.0)
    for byte in b"text\x1b]0;its own\x1b\\\x1b[m\x1b]2;unfinished":
        title.watch(bytes([byte]))
    assert title.hide() == b"\x1b[23;2t\x1b]2;its own\x1b\\"


@given(st.lists(st.integers(0, 60), max_size=6))
def test_the_users_title_is_saved_before_the_programs_first(cuts: list[int]) -> None:
    """However it is split, but inside of ESC ]; the bytes of the program are as they were."""
    sent = b"text\x1b[1m\x1b]0;one\x07 and \x1b]2;two\x1b\\ \x1b]8;;\x1b\\ more"
    title = Title("xterm-256color")
    places = sorted({*cuts, 0, len(sent)} - {sent.index(b"]0")})
    out = b"".join(title.watch(sent[a:b]) for a, b in pairwise(places))

    assert out == sent.replace(b"\x1b]0;", b"\x1b[22;2t\x1b]0;")
    assert title.leave() == b"\x1b[23;2t"
    assert title.leave() == b""
    assert title.come_back() == b"\x1b[22;2t\x1b]2;two\x1b\\"
    assert title.leave() == b"\x1b[23;2t"


def test_a_program_without_a_title_leaves_no_sequence_behind() -> None:
    """Nothing is saved, and nothing brought back; nor where ESC and ] came apart."""
    for pieces in ([b"\x1b[1mtext\x1b[0m"], [b"\x1b", b"]2;late\x07"]):
        title = Title("xterm-256color")

        assert b"".join(map(title.watch, pieces)) == b"".join(pieces)
        assert title.leave() == b""


def test_news_and_the_programs_title_are_both_taken_back() -> None:
    """The program's first title comes while news are shown."""
    title = Title("xterm-256color")
    title.show("one", 1.0)
    assert title.watch(b"\x1b]2;its own\x07") == b"\x1b[22;2t\x1b]2;its own\x07"

    assert title.leave() == b"\x1b[23;2t\x1b]2;its own\x1b\\\x1b[23;2t"


def test_a_terminal_without_a_title() -> None:
    """The Linux console would show the text."""
    title = Title("linux")

    assert title.show("one", 1.0) == b""
    assert title.until is None


def test_a_panel_fits() -> None:
    """At the bottom, cut to the screen; what does not fit is counted."""
    drawn = draw(["one", "two", "x" * 99, "four"], 3, 10)

    assert b"\x1b[1;1H\x1b[7m one\x1b[K" in drawn
    assert b"\x1b[3;1H\x1b[7m and 2 lin\x1b[K" in drawn
    assert b"\x1b[7m one" in draw(["one"], 24, 80)
    assert b"\x1b[24;1H" in draw(["one"], 24, 80)


def test_a_size_is_told_when_it_has_settled_and_once() -> None:
    """A second after the last change, by the clock that the caller reads."""
    written: list[bytes] = []
    display: Any = SimpleNamespace(
        is_covered=False, is_between_sequences=True, tell_terminal=written.append
    )
    user: Any = SimpleNamespace(
        title=Title("xterm"), modes=object(), window=lambda: Resize(50, 120)
    )
    line: Any = SimpleNamespace(is_attached=True, send=written.append)
    it = Presence(line, display, user, Keyboard(b"\x10\x11"), "ctrl-p")
    it.attached(parse_hello({"rows": 24, "cols": 80}), 10.0, again=False, lossless=False)
    it.resized(30, 80, 10.5)
    it.keep_time(11.4)
    assert written == []
    it.keep_time(11.5)
    assert b"the session is 30x80, this window 50x120" in written[0]
    it.resized(24, 80, 12.0)
    it.keep_time(13.1)
    assert written[1:] == []
    it.keep_time(16.6)
    assert written[1:] == [b"\x1b[23;2t"]
