"""Frame headers, held against the parser of the websockets library."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from ptywire.websocket import binary_frame, binary_header

# The length field changes its width at these (RFC 6455 section 5.2).
EDGES = [0, 1, 125, 126, 127, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 1 << 20]


def parsed_by_websockets(data: bytes) -> list[Frame]:
    client = Protocol(Side.CLIENT, state=State.OPEN, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None
    return [event for event in client.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("length", EDGES)
def test_a_frame_is_what_websockets_parses(length: int) -> None:
    """One binary message, final and whole, at every width of the length field."""
    payload = bytes(range(256)) * (length // 256 + 1)

    assert parsed_by_websockets(binary_frame(payload[:length])) == [
        Frame(Opcode.BINARY, payload[:length])
    ]


@given(st.lists(st.binary(max_size=400), max_size=5))
def test_frames_in_a_row_stay_apart(payloads: list[bytes]) -> None:
    """No header claims a byte too many or too few."""
    stream = b"".join(map(binary_frame, payloads))

    assert parsed_by_websockets(stream) == [Frame(Opcode.BINARY, each) for each in payloads]


@given(st.sampled_from(EDGES) | st.integers(0, (1 << 63) - 1))
def test_the_header_is_the_shortest_that_websockets_writes(length: int) -> None:
    """RFC 6455 demands the minimal form; the library's own serializer is the reference."""
    header = binary_header(length)

    assert len(header) == (2 if length < 126 else 4 if length < 1 << 16 else 10)
    if length <= 1 << 20:
        whole = Frame(Opcode.BINARY, bytes(length)).serialize(mask=False)
        assert whole == header + bytes(length)
