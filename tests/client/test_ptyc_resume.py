"""ptyc on a real terminal, when its connection breaks and comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fake_ptyd import CLIENT, FakePtyd
from ptywire import message as wire

if TYPE_CHECKING:
    from ptyc_user import TerminalUser

DETACH = b"\x10\x11"


@pytest.mark.parametrize("how", ["abort", "going away", "timeout"])
def test_resume_at_the_offset(server: FakePtyd, user: TerminalUser, how: str) -> None:
    """After a broken connection the same client goes on at the next byte, both ways."""
    peer, _ = server.attached()
    peer.send(wire.Output(5, b"first"))
    peer.expect_ack(5)
    user.type(b"abcdef")
    assert peer.expect_input(6, acknowledge=False) == b"abcdef"
    if how == "abort":
        peer.abort()
    else:
        peer.close(wire.CLOSE_GOING_AWAY if how == "going away" else wire.CLOSE_TIMEOUT)
    again = server.accept()
    fields = again.expect(wire.Attach).fields

    assert (fields["from"], fields["epoch"], fields["client"]) == (5, 1, CLIENT)
    again.hello(**{"from": 5, "end": 5, "input": 2})
    assert again.expect(wire.Input) == wire.Input(2, b"cdef")
    again.send(wire.Output(11, b"second"))
    again.exit(0)
    assert user.finish() == 0
    assert user.rest == b"firstsecond"


def test_a_lost_line_is_told_once_and_can_be_left(server: FakePtyd, user: TerminalUser) -> None:
    """While nobody answers, one line says so and the detach keys work."""
    server_peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    server_peer.abort()
    server.stop()
    user.sees("ptyc: connection lost, reconnecting… (ctrl-p ctrl-q to leave)\r\n")
    user.type(DETACH)

    assert user.finish() == 0
    assert b"reconnecting" not in user.rest
    assert user.is_restored


def test_ctrl_c_ends_the_waiting(server: FakePtyd, user: TerminalUser) -> None:
    """Ctrl-C, which the program cannot get now, ends ptyc."""
    peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    peer.abort()
    server.stop()
    user.sees("reconnecting")
    user.type(b"\x03")

    assert user.finish() == 130
    assert user.is_restored


def test_a_restart_is_told_and_may_be_waited_for(server: FakePtyd, user: TerminalUser) -> None:
    """While there is no program a line says so, and the next epoch has the terminal to itself."""
    peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    peer.event("restarting", end=0, status=3)
    user.sees("ptyc: the program ended with status 3, restarting… (ctrl-p ctrl-q to leave)\r\n")
    peer.close(wire.CLOSE_GOING_AWAY)
    again = server.accept()
    fields = again.expect(wire.Attach).fields
    again.hello(epoch=2, snapshot=True)
    again.send(wire.Snapshot(0, 24, 80, b"second"))
    user.sees("second")
    again.exit(5)

    assert (fields["from"], fields["epoch"]) == (0, 1)
    assert user.finish() == 5
    assert b"restarting" not in user.rest


def test_typing_between_two_programs_is_for_the_second(
    server: FakePtyd, user: TerminalUser
) -> None:
    """Each byte once, from position 0: the first one took none of it, and none is in doubt."""
    peer, _ = server.attached()
    user.type(b"one")
    assert peer.expect_input(3) == b"one"
    user.type(b"lo")
    assert peer.expect_input(2, acknowledge=False) == b"lo"
    peer.event("restarting", end=0, status=3)
    user.sees("restarting")
    user.type(b"st")
    user.type(b"!")
    peer.close(wire.CLOSE_GOING_AWAY)
    again = server.accept()
    again.expect(wire.Attach)
    again.hello(epoch=2, input=0)

    assert again.expect_input(5) == b"lost!"
    again.exit(0)
    assert user.finish() == 0
    assert b"may not have arrived" not in user.rest


def test_a_quick_restart_is_not_told(server: FakePtyd, user: TerminalUser) -> None:
    """Nothing but the next epoch is to be seen."""
    peer, _ = server.attached()
    peer.event("restarting", end=0, status=3)
    peer.close(wire.CLOSE_GOING_AWAY)
    again = server.accept()
    again.expect(wire.Attach)
    again.hello(epoch=2)
    again.send(wire.Output(6, b"second"))
    again.expect_ack(6)
    again.exit(0)

    assert user.finish() == 0
    assert b"restarting" not in user.rest


def test_a_restart_that_never_comes_is_the_end(server: FakePtyd, user: TerminalUser) -> None:
    """The policy gave up: the last status is ptyc's, and the terminal as it was."""
    peer, _ = server.attached()
    peer.event("restarting", end=0, status=3)
    user.sees("restarting")
    peer.exit(4)

    assert user.finish() == 4
    assert user.is_restored


def test_ctrl_c_ends_the_waiting_for_a_restart(server: FakePtyd, user: TerminalUser) -> None:
    """There is no program that could be interrupted."""
    peer, _ = server.attached()
    user.wait_until(lambda: user.is_raw)
    peer.event("restarting", end=0, status=3)
    user.sees("restarting")
    user.type(b"\x03")

    assert user.finish() == 130
    assert user.is_restored


def test_typing_while_disconnected_arrives_once(server: FakePtyd, user: TerminalUser) -> None:
    """The same server on the same port gets everything that it did not acknowledge."""
    peer, _ = server.attached()
    user.type(b"one")
    assert peer.expect_input(3) == b"one"
    peer.abort()
    server.stop()
    user.type(b"two")
    with FakePtyd(port=server.port) as successor:
        again, _ = successor.attached(input=3)

        assert again.expect_input(3) == b"two"
        again.exit(0)
        assert user.finish() == 0


def test_doubt_is_told(server: FakePtyd, user: TerminalUser) -> None:
    """Bytes that a dying server may have swallowed are counted on standard error."""
    peer, _ = server.attached(doubt=7)
    user.sees("ptyc: 7 bytes that you typed may not have arrived")
    peer.exit(0)

    assert user.finish() == 0


def test_a_snapshot_repaints(server: FakePtyd, user: TerminalUser) -> None:
    """A snapshot comes after a reset of the terminal and is acknowledged."""
    peer, _ = server.attached()
    peer.send(wire.Snapshot(4000, 24, 80, b"picture"))
    peer.expect_ack(4000)
    user.sees(b"\x1b[H\x1b[2Jpicture")
    peer.exit(0)

    assert user.finish() == 0


def test_another_offset_than_asked_for_clears_the_screen(
    server: FakePtyd, user: TerminalUser
) -> None:
    """When the server cannot go on where we were, its replay does not follow old output."""
    peer, _ = server.attached()
    peer.send(wire.Output(3, b"old"))
    peer.expect_ack(3)
    peer.abort()
    again, _ = server.attached(**{"from": 900, "end": 903})
    again.send(wire.Output(903, b"new"))
    user.sees(b"\x1b[H\x1b[2Jnew")
    again.exit(0)

    assert user.finish() == 0


def test_answers_to_history_are_not_typed(server: FakePtyd, user: TerminalUser) -> None:
    """What the terminal answers to a replayed query never reaches the program; keys do."""
    peer, _ = server.attached(end=10, replay=True)
    user.wait_until(lambda: user.is_raw)
    user.type(b"\x1b[12;5Ra\x1b[?64;1;2cb\x1bP>|xterm(1)\x1b\\c\x1b[A")
    assert peer.expect_input(6) == b"abc\x1b[A"
    peer.send(wire.Output(10, b"0123456789"))
    peer.expect_ack(10)
    peer.exit(0)

    assert user.finish() == 0
