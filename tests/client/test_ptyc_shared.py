"""ptyc among others, on a real terminal against a scripted server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fake_ptyd import FakePtyd, Peer
from ptyc_user import TerminalUser
from ptywire import message as wire

if TYPE_CHECKING:
    from collections.abc import Iterator

DETACH = b"\x10\x11"


@pytest.fixture
def user(server: FakePtyd) -> Iterator[TerminalUser]:
    user = TerminalUser("--name", "me", server.link)
    yield user
    user.close()


def person(number: int, name: str, **fields: Any) -> dict[str, Any]:
    return {"id": number, "name": name, "role": "control", "asks": False, **fields}


def tell(peer: Peer, *people: dict[str, Any], one_driver: bool = False) -> None:
    peer.event("clients", clients=list(people), count=len(people), one_driver=one_driver)


def finish(peer: Peer, user: TerminalUser) -> None:
    peer.exit(0)
    assert user.finish() == 0
    assert user.is_restored


def test_news_are_in_the_title_between_two_sequences(server: FakePtyd, user: TerminalUser) -> None:
    """Not inside a sequence that is cut, and the title is put back on the way out."""
    peer, fields = server.attached(id=1)
    tell(peer, person(1, "me"))
    peer.send(wire.Output(6, b"text\x1b["))
    peer.expect_ack(6)
    tell(peer, person(1, "me"), person(2, "ada"))
    peer.send(wire.Output(7, b"3"))
    peer.expect_ack(7)
    peer.send(wire.Output(9, b"1m"))
    user.sees(b"text\x1b[31m\x1b[22;2t\x1b]2;ptyc: ada came\x1b\\")

    assert fields["name"] == "me"
    peer.exit(0)
    assert user.finish() == 0
    assert user.rest.endswith(b"\x1b[0m\x1b[23;2t")


def test_who_is_here_is_drawn_and_painted_over(server: FakePtyd, user: TerminalUser) -> None:
    """ctrl-p w: the server is told that nobody looks; a key brings a picture, and is not typed."""
    peer, _ = server.attached(id=1, rows=24, cols=80)
    tell(peer, person(1, "me"))
    peer.send(wire.Output(1, b"a"))
    peer.expect_ack(1)
    user.type(b"\x10w")  # alone, it is the program's
    assert peer.expect_input(2) == b"\x10w"
    tell(peer, person(1, "me"), person(2, "ada", typed=True))
    peer.send(wire.Output(3, b"abc"))
    peer.expect_ack(3)
    user.type(b"\x10w")
    assert peer.expect(wire.Visible) == wire.Visible(visible=False)
    user.sees("ada (control, typed last)")
    peer.send(wire.Output(6, b"def"))  # on its way already
    user.type("é".encode())
    assert peer.expect(wire.Visible) == wire.Visible(visible=True)
    user.type(b"x")
    assert peer.expect_input(1) == b"x"
    peer.send(wire.Snapshot(9, 24, 80, b"picture"))
    user.sees(b"\x1b[H\x1b[2Jpicture")

    assert b"def" not in user.child.before
    peer.expect_ack(9)
    finish(peer, user)


def test_a_picture_is_asked_for_again_when_it_was_owed(
    server: FakePtyd, user: TerminalUser
) -> None:
    """Lost between hello and its snapshot, the screen is not taken for shown; nor acknowledged."""
    peer, _ = server.attached(snapshot=True, **{"from": 500, "end": 500})
    user.wait_until(lambda: user.is_raw)
    peer.abort()
    again, fields = server.attached(snapshot=True, **{"from": 700, "end": 700})
    again.send(wire.Snapshot(700, 24, 80, b"picture"))
    first = again.expect(wire.Ack)
    again.abort()
    third, after = server.attached(**{"from": 700, "end": 700})

    assert fields["from"] == "snapshot"
    assert first.offset == 700
    assert after["from"] == 700
    finish(third, user)


def test_another_picture_after_a_reconnect(server: FakePtyd, user: TerminalUser) -> None:
    """A snapshot replaces what was on the screen; the screen is not cleared before it comes."""
    peer, _ = server.attached()
    peer.send(wire.Output(3, b"old"))
    peer.expect_ack(3)
    peer.abort()
    again, fields = server.attached(snapshot=True, **{"from": 900, "end": 900})
    again.send(wire.Snapshot(900, 24, 80, b"new"))
    user.sees(b"\x1b[H\x1b[2Jnew")

    assert fields["from"] == 3
    assert user.child.before.count(b"\x1b[2J") == 0
    again.expect_ack(900)
    finish(again, user)


def test_turns_are_asked_for_and_given(server: FakePtyd, user: TerminalUser) -> None:
    """ctrl-p d asks, ctrl-p g grants the first who asked; both are told."""
    peer, _ = server.attached(id=1)
    tell(peer, person(1, "me"), person(2, "ada", driver=True), one_driver=True)
    user.sees("ptyc: ada drives")
    user.type(b"ls")
    user.sees("ada drives: ctrl-p d asks for the turn\x1b\\\x07")
    user.type(b"\x10d")
    assert peer.expect(wire.Request).fields == {"request": "drive"}
    tell(
        peer,
        person(1, "me", driver=True),
        person(3, "bob", asks=True),
        person(2, "ada"),
        one_driver=True,
    )
    user.sees("you drive")
    user.sees("bob asks to drive: ctrl-p g lets them\x1b\\\x07")
    user.type(b"\x10g")

    assert peer.expect(wire.Request).fields == {"request": "grant", "id": 3}
    finish(peer, user)


def test_who_comes_to_drive_hears_of_those_who_ask(server: FakePtyd, user: TerminalUser) -> None:
    """They asked another, who left."""
    peer, _ = server.attached(id=1)
    bob = person(3, "bob", asks=True)
    tell(peer, person(1, "me"), person(2, "ada", driver=True), bob, one_driver=True)
    user.sees("ada drives")
    tell(peer, person(1, "me", driver=True), bob, one_driver=True)
    user.sees("bob asks to drive: ctrl-p g lets them\x1b\\\x07")
    finish(peer, user)


def test_without_detach_keys_there_are_no_commands(server: FakePtyd) -> None:
    """Everything typed is the program's."""
    user = TerminalUser("--detach-keys", "", server.link)
    peer, _ = server.attached(id=1)
    tell(peer, person(1, "me"), person(2, "ada"), one_driver=True)
    peer.send(wire.Output(1, b"x"))
    peer.expect_ack(1)
    user.type(b"\x10w\x10d\x10\x11")

    assert peer.expect_input(6) == b"\x10w\x10d\x10\x11"
    finish(peer, user)
    user.close()


def test_another_size_is_told_once(server: FakePtyd) -> None:
    """In the title, when it has settled; not again."""
    user = TerminalUser("--no-size", server.link, size=(50, 120))
    peer, fields = server.attached(rows=24, cols=80)
    user.sees("ptyc: the session is 24x80, this window 50x120")
    peer.event("resized", end=0, rows=30, cols=80)
    user.child.setwinsize(51, 121)
    user.type(b"q")

    assert "rows" not in fields
    assert peer.expect_input(1) == b"q"
    assert not any(isinstance(message, wire.Resize) for message in peer.seen)
    peer.exit(0)
    assert user.finish() == 0
    assert b"this window" not in user.rest
    user.close()


def test_a_size_of_its_own_is_no_news(server: FakePtyd, user: TerminalUser) -> None:
    """The server takes our size a moment after hello."""
    peer, fields = server.attached(rows=50, cols=100)
    peer.event("resized", end=0, rows=24, cols=80)
    tell(peer, person(1, "me"))
    user.type(b"\x10x")
    peer.expect_input(2)

    assert (fields["rows"], fields["cols"], fields["answers"]) == (24, 80, True)
    peer.exit(0)
    assert user.finish() == 0
    assert b"window" not in user.rest


def test_only_the_elected_terminal_answers(server: FakePtyd, user: TerminalUser) -> None:
    """What this one answers is not typed while another does; keys are."""
    peer, _ = server.attached()
    peer.event("answerer", answers=False)
    peer.send(wire.Output(1, b"x"))
    peer.expect_ack(1)
    user.type(b"a\x1b[12;5R\x1b[?64;1;2cb\x1b[1;2R\x1b")
    assert peer.expect_input(9) == b"ab\x1b[1;2R\x1b"
    peer.event("answerer", answers=True)
    peer.send(wire.Output(2, b"x"))
    peer.expect_ack(2)
    user.type(b"\x1b[12;5R")

    assert peer.expect_input(7) == b"\x1b[12;5R"
    finish(peer, user)


@pytest.mark.parametrize(
    ("arguments", "role", "expected"),
    [
        ((), "control", b"a\x1b[21tb\x1bP$qm\x1b\\c"),
        (("--clipboard",), "control", b"a\x1b]52;c;aGk=\x07\x1b[21tb\x1bP$qm\x1b\\c"),
        (("--view",), "view", b"abc"),
        ((), "view", b"abc"),
    ],
)
def test_what_the_terminal_is_kept_from(
    server: FakePtyd, arguments: tuple[str, ...], role: str, expected: bytes
) -> None:
    """The clipboard for who asked, reports for who may type; and a viewer never answers."""
    user = TerminalUser(*arguments, server.link)
    peer, fields = server.attached(role=role)
    output = b"a\x1b]52;c;?\x07\x1b]52;c;aGk=\x07\x1b[21tb\x1bP$qm\x1b\\c"
    peer.send(wire.Output(len(output), output))
    peer.expect_ack(len(output))

    assert user.read_exactly(len(expected)) == expected
    assert ("answers" in fields) == (not arguments or arguments == ("--clipboard",))
    peer.exit(0)
    assert user.finish() == 0
    assert user.rest == b""
    user.close()


def test_a_lost_line_under_a_program_that_draws(server: FakePtyd, user: TerminalUser) -> None:
    """The notice covers the last row, and the server is asked to paint it over."""
    peer, _ = server.attached()
    peer.send(wire.Output(8, b"\x1b[?1049h"))
    peer.expect_ack(8)
    peer.abort()
    server.stop()
    user.sees("\x1b[24;1H\x1b[7m ptyc: connection lost")
    with FakePtyd(port=server.port) as successor:
        again, fields = successor.attached(**{"from": 8, "end": 8})

        assert fields["hidden"]
        assert again.expect(wire.Visible) == wire.Visible(visible=True)
        again.send(wire.Snapshot(8, 24, 80, b"picture"))
        user.sees(b"\x1b[2Jpicture")
        finish(again, user)
