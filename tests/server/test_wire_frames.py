"""WebSocket frames, both ends, held against the websockets library."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import Protocol, Side, State

from ptywire.frames import NO_CODE, Farewell, Frames, masked

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 1000
OPCODES = [Opcode.CONT, Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE, Opcode.PING, Opcode.PONG]
FRAMES = st.builds(
    Frame,
    st.sampled_from(OPCODES),
    st.binary(max_size=200) | st.sampled_from([b"", b"\x03\xe8bye", b"\x03\xe8\xff", b"\x03"]),
    st.sampled_from([True, True, True, False]),
    st.sampled_from([False] * 20 + [True]),
)
GOOD = st.lists(
    st.one_of(
        st.builds(lambda data: [Frame(Opcode.BINARY, data)], st.binary(max_size=300)),
        st.builds(lambda data: [Frame(Opcode.PING, data)], st.binary(max_size=125)),
        st.builds(lambda data: [Frame(Opcode.PONG, data)], st.binary(max_size=125)),
        st.builds(
            lambda parts, ping: [
                Frame(Opcode.BINARY, parts[0], fin=False),
                Frame(Opcode.PING, ping),
                *(Frame(Opcode.CONT, part, fin=False) for part in parts[1:]),
                Frame(Opcode.CONT, b"end"),
            ],
            st.lists(st.binary(max_size=100), min_size=1, max_size=5),
            st.binary(max_size=20),
        ),
    ),
    max_size=8,
).map(lambda lists: [frame for frames in lists for frame in frames])


def chance() -> bytes:
    return b"\x01\xfe\x80\x7f"


def pair(*, of_client: bool) -> tuple[Frames, Protocol]:
    """Return ours and the library's, both the same end of a connection."""
    side = Side.CLIENT if of_client else Side.SERVER
    return Frames(MOST, chance if of_client else None), Protocol(
        side, state=State.OPEN, max_size=MOST
    )


def written(frame: Frame, *, of_client: bool) -> bytes:
    """Return a frame's bytes, good or not; ``of_client`` if a client is to get it."""
    first = frame.fin << 7 | frame.rsv1 << 6 | frame.opcode
    size = len(frame.data)
    length = bytes([size]) if size < 126 else bytes([126]) + size.to_bytes(2, "big")
    if of_client:
        return bytes([first]) + length + frame.data
    key = b"mask"
    return bytes([first, length[0] | 0x80]) + length[1:] + key + masked(bytes(frame.data), key)


def pieces(data: bytes, seed: int) -> Sequence[bytes]:
    """Return ``data`` in pieces of any sizes."""
    cuts = random.Random(seed)
    found = []
    while data:
        size = cuts.choice([1, 2, 7, 100, 1000])
        found.append(data[:size])
        data = data[size:]
    return found


def heard_by_websockets(protocol: Protocol, data: bytes) -> list[bytes]:
    """Return the messages that the library takes out of ``data``."""
    protocol.receive_data(data)
    messages, parts = [], b""
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        if event.opcode in (Opcode.BINARY, Opcode.CONT):
            parts += event.data
            if event.fin:
                messages.append(parts)
                parts = b""
    return messages


@pytest.mark.parametrize("of_client", [False, True])
@given(frames=GOOD, seed=st.integers(0, 1000))
def test_messages_are_those_that_websockets_hears(
    frames: list[Frame], seed: int, *, of_client: bool
) -> None:
    """However they are cut, in parts and with pings between; and each ping is answered."""
    ours, theirs = pair(of_client=of_client)
    data = b"".join(written(frame, of_client=of_client) for frame in frames)
    heard = [message for piece in pieces(data, seed) for message in ours.receive(piece)]
    pongs = [bytes(frame.data) for frame in frames if frame.opcode is Opcode.PING]

    assert heard == heard_by_websockets(theirs, data)
    assert ours.is_between
    assert ours.fault is theirs.parser_exc is None
    if not of_client:
        assert ours.to_send() == b"".join(bytes([0x8A, len(pong)]) + pong for pong in pongs)


@pytest.mark.parametrize("of_client", [False, True])
@given(frames=st.lists(FRAMES, max_size=6), seed=st.integers(0, 1000))
def test_what_is_wrong_is_what_websockets_says(
    frames: list[Frame], seed: int, *, of_client: bool
) -> None:
    """The same messages before it, the same close code; but text is not heard here at all."""
    ours, theirs = pair(of_client=of_client)
    data = b"".join(written(frame, of_client=of_client) for frame in frames)
    heard = [message for piece in pieces(data, seed) for message in ours.receive(piece)]
    expected = heard_by_websockets(theirs, data)
    if ours.fault is not None and ours.fault.code == 1003:
        assert any(frame.opcode is Opcode.TEXT for frame in frames)
        return
    if ours.farewell is not None and theirs.parser_exc is not None:
        assert str(theirs.parser_exc) == "incomplete fragmented message"  # a close may come there
        return

    assert heard == expected
    assert (ours.fault is None) == (theirs.parser_exc is None)
    assert ours.is_open == (theirs.state is State.OPEN)
    if ours.fault is not None:
        assert theirs.close_sent is not None
        assert ours.fault.code == theirs.close_sent.code
    elif theirs.close_rcvd is not None:
        assert ours.farewell == (theirs.close_rcvd.code, theirs.close_rcvd.reason)


@pytest.mark.parametrize("of_client", [False, True])
@given(data=st.binary(max_size=300), more=st.binary(max_size=20))
def test_no_bytes_raise(data: bytes, more: bytes, *, of_client: bool) -> None:
    """And none are kept once nobody listens any more."""
    ours, _ = pair(of_client=of_client)
    ours.receive(data)
    ours.receive(more)

    assert ours.is_open or ours.receive(b"\x82\x01x") == []
    assert ours.fault is None or ours.is_between


@pytest.mark.parametrize("of_client", [False, True])
@given(messages=st.lists(st.binary(max_size=70_000), max_size=3), reason=st.text(max_size=200))
def test_what_is_sent_is_what_websockets_hears(
    messages: list[bytes], reason: str, *, of_client: bool
) -> None:
    """From either end; a reason that is too long is cut where a character ends."""
    ours, _ = pair(of_client=of_client)
    peer = Protocol(Side.SERVER if of_client else Side.CLIENT, state=State.OPEN)
    for message in messages:
        ours.send(message)
    ours.ping()
    ours.close(4000, reason)
    ours.close(4001, "again")
    ours.send(b"too late")
    ours.ping()
    heard = heard_by_websockets(peer, ours.to_send())

    assert heard == messages
    assert ours.to_send() == b""
    assert peer.parser_exc is None
    assert isinstance(peer.close_rcvd, Close)
    assert peer.close_rcvd.code == 4000
    assert reason.startswith(peer.close_rcvd.reason)
    assert len(reason.encode()) > 123 - 3 or peer.close_rcvd.reason == reason


def test_a_close_is_answered_once() -> None:
    """With its own words; who has closed already says nothing more."""
    asked, asking = Frames(MOST), Frames(MOST)
    asking.close(1000, "bye")
    asking.to_send()
    for frames in (asked, asking):
        frames.receive(written(Frame(Opcode.CLOSE, b"\x03\xe8detached"), of_client=False))

    assert asked.to_send() == b"\x88\x0a\x03\xe8detached"
    assert asking.to_send() == b""
    assert asked.farewell == asking.farewell == Farewell(1000, "detached")


def test_a_close_without_a_code_has_one_that_says_so() -> None:
    """1005 stands for it, and is never sent."""
    frames = Frames(MOST)
    frames.receive(written(Frame(Opcode.CLOSE, b""), of_client=False))

    assert frames.farewell == Farewell(NO_CODE, "")
    assert frames.to_send() == b"\x88\x00"


def test_a_message_has_a_size_however_it_comes() -> None:
    """Refused by what its header claims, before any of it is kept; parts count together."""
    whole, parts, most = Frames(MOST), Frames(MOST), Frames(MOST)
    whole.receive(written(Frame(Opcode.BINARY, bytes(MOST + 1)), of_client=False)[:8])
    parts.receive(written(Frame(Opcode.BINARY, bytes(600), fin=False), of_client=False))
    parts.receive(written(Frame(Opcode.CONT, bytes(600)), of_client=False))
    (message,) = most.receive(written(Frame(Opcode.BINARY, bytes(MOST)), of_client=False))

    assert whole.fault is not None
    assert parts.fault is not None
    assert whole.fault.code == parts.fault.code == 1009
    assert len(message) == MOST


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_a_mask_comes_off_as_it_went_on(payload: bytes, key: bytes) -> None:
    """RFC 6455 section 5.3, byte by byte."""
    hidden = masked(payload, key)

    assert hidden == bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
    assert masked(hidden, key) == payload
