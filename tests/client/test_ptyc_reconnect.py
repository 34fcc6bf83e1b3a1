"""When to try again."""

from __future__ import annotations

from ptyc.hello import number, parse_hello
from ptyc.reconnect import Reconnect


def test_delays_grow_to_two_seconds() -> None:
    """0.05, doubled, at most 2; and again from the start after a success."""
    reconnect, now, delays = Reconnect(), 0.0, list[float]()
    for _ in range(8):
        reconnect.lost(now)
        assert reconnect.retry_at is not None
        delays.append(round(reconnect.retry_at - now, 3))
        now = reconnect.retry_at
        reconnect.trying()
    assert delays == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    reconnect.attached()
    reconnect.lost(now)

    assert reconnect.retry_at == now + 0.05


def test_the_user_is_told_after_half_a_second_once() -> None:
    """A server that is replaced comes back before."""
    reconnect = Reconnect()
    assert reconnect.notice_at is None
    reconnect.lost(10.0)
    reconnect.lost(10.2)
    assert reconnect.notice_at == 10.5
    reconnect.told = True

    assert reconnect.notice_at is None


def test_a_restart_is_told_instead_of_the_loss_that_follows_it() -> None:
    """Half a second after the program's end, whenever the connection ends; a hello ends it."""
    reconnect = Reconnect()
    reconnect.restarting(10.0, 3)
    reconnect.lost(10.4)

    assert reconnect.notice_at == 10.5
    assert reconnect.news == "the program ended with status 3, restarting…"
    assert reconnect.since == 10.4
    reconnect.attached()
    assert reconnect.notice_at is None
    reconnect.lost(20.0)
    assert reconnect.news == "connection lost, reconnecting…"


def test_a_vanished_socket_is_given_up() -> None:
    """Five seconds after the loss."""
    reconnect = Reconnect()
    reconnect.lost(10.0)

    assert not reconnect.is_hopeless(14.9)
    assert reconnect.is_hopeless(15.0)


def test_an_odd_hello_has_defaults() -> None:
    """Fields of a wrong type do not end the client."""
    hello = parse_hello({"input": "7", "end": -1, "doubt": True, "tty": 0, "epoch": 2})

    assert (hello.input, hello.end, hello.doubt, hello.tty, hello.epoch) == (0, 0, 0, True, 2)
    assert number({"status": 1 << 64}, "status", 5) == 5
