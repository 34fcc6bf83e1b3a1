"""Typed bytes by position: nothing lost, nothing twice, whatever is acknowledged when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ptyc.typed import WINDOW, Typed
from ptywire.message import Input


@given(st.lists(st.one_of(st.binary(max_size=40_000), st.integers(0, 1 << 17), st.none())))
def test_a_server_gets_every_byte_once(steps: list[bytes | int | None]) -> None:
    """Bytes are typed (bytes), acknowledged (a number), or the connection breaks (None)."""
    typed, all_typed, received = Typed(), b"", b""
    typed.restart(0)
    for step in [*steps, None]:
        if isinstance(step, bytes):
            typed.add(step)
            all_typed += step
        elif isinstance(step, int):
            typed.acknowledge(min(step, len(received)))
        else:
            assert typed.resume(len(received)) == 0
        lost = step is None
        while (message := typed.take()) is not None:
            received = received[: message.position] + message.data
            assert typed.sent - typed.start <= WINDOW
            if lost:
                typed.acknowledge(len(received))

    assert received == all_typed
    assert typed.is_all_sent


def test_an_unknown_client_does_not_type_twice() -> None:
    """What was sent to a server that forgot us is counted as unsure; the rest is sent."""
    typed = Typed()
    typed.add(b"sent")
    assert typed.take() == Input(0, b"sent")
    typed.add(b"kept")

    assert typed.restart(0) == 4
    assert typed.take() == Input(0, b"kept")


def test_a_server_that_contradicts_itself() -> None:
    """A position that we never had starts a new count."""
    typed = Typed()
    typed.add(b"abc")
    typed.take()

    assert typed.resume(1000) == 3
    typed.add(b"d")
    assert typed.take() == Input(1000, b"d")
