"""The messages of ptyd.v1: a law, no way to make a decoder raise, and the bytes themselves."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ptywire import message as wire

U64 = st.integers(0, (1 << 64) - 1)
U16 = st.integers(0, (1 << 16) - 1)
BYTES = st.binary(max_size=300)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(TEXT, VALUES, max_size=5)

SERVER_MESSAGES = st.one_of(
    st.builds(wire.Output, U64, BYTES, st.sampled_from([wire.OUTPUT, wire.STDERR])),
    st.builds(wire.Snapshot, U64, U16, U16, BYTES),
    st.builds(wire.Event, FIELDS),
    st.builds(wire.InputAck, U64),
)
CLIENT_MESSAGES = st.one_of(
    st.builds(wire.Attach, FIELDS),
    st.builds(wire.Input, U64, BYTES),
    st.builds(wire.Resize, U16, U16),
    st.builds(wire.Ack, U64),
    st.builds(wire.Signal, st.sampled_from([*wire.SIGNALS, "USR1", "10"])),
    st.builds(wire.StdinEof),
    st.builds(wire.Visible, st.booleans()),
    st.builds(wire.Request, FIELDS),
)
KINDS_OF_SERVER = {wire.OUTPUT, wire.SNAPSHOT, wire.EVENT, wire.INPUT_ACK, wire.STDERR}
KINDS_OF_CLIENT = {
    wire.ATTACH,
    wire.INPUT,
    wire.RESIZE,
    wire.ACK,
    wire.SIGNAL,
    wire.STDIN_EOF,
    wire.VISIBLE,
    wire.REQUEST,
}
# Any first byte, with a bias towards the kinds that exist: pure noise seldom reaches a decoder.
NOISE = st.builds(
    lambda kind, rest: bytes((kind,)) + rest,
    st.sampled_from(sorted(KINDS_OF_SERVER | KINDS_OF_CLIENT)) | st.integers(0, 255),
    BYTES | TEXT.map(str.encode) | st.sampled_from([b"{", b"[[", b'{"a":1', b"nul", b'"\\ud800"']),
)


@given(SERVER_MESSAGES)
def test_server_messages_survive_the_wire(message: wire.ServerMessage) -> None:
    """decode(encode(m)) == m, and the first byte is a kind of the server."""
    data = wire.encode(message)

    assert data[0] in KINDS_OF_SERVER
    assert wire.decode_server(data) == message
    assert type(wire.decode_server(data)) is type(message)


@given(CLIENT_MESSAGES)
def test_client_messages_survive_the_wire(message: wire.ClientMessage) -> None:
    """decode(encode(m)) == m, and the first byte is a kind of the client."""
    data = wire.encode(message)

    assert data[0] in KINDS_OF_CLIENT
    assert wire.decode_client(data) == message
    assert type(wire.decode_client(data)) is type(message)


@given(NOISE | BYTES)
@example(b"\x03" + b"[" * 200_000)
@example(b"\x10" + b'{"a":' * 200_000)
@example(b"\x10" + b'{"a":' + b"9" * 100_000 + b"}")
@example(b"\x10" + '{"a":1}'.encode("utf-16"))
@example(b"\x10\xef\xbb\xbf{}")
@example(b"\x10\xff\xfe")
def test_no_bytes_make_a_decoder_raise(data: bytes) -> None:
    """A decoder answers with a message, a violation, or None for a kind it does not know."""
    server, client = wire.decode_server(data), wire.decode_client(data)

    assert (server is None) == (bool(data) and data[0] not in KINDS_OF_SERVER)
    assert (client is None) == (bool(data) and data[0] not in KINDS_OF_CLIENT)


@given(NOISE | BYTES)
def test_what_is_understood_can_be_said_again(data: bytes) -> None:
    """A decoded message is whole: encoding it raises nothing and decodes to the same."""
    server, client = wire.decode_server(data), wire.decode_client(data)

    if server is not None and not isinstance(server, wire.Violation):
        assert wire.decode_server(wire.encode(server)) == server
    if client is not None and not isinstance(client, wire.Violation):
        assert wire.decode_client(wire.encode(client)) == client


@given(U64, BYTES, st.sampled_from([wire.OUTPUT, wire.STDERR]))
def test_the_shared_header_is_the_head_of_the_message(end: int, data: bytes, kind: int) -> None:
    """A frame built once from header and payload equals the message encoded whole."""
    header = wire.output_header(end, kind)

    assert len(header) == wire.OUTPUT_HEADER
    assert header + data == wire.encode(wire.Output(end, data, kind))


@pytest.mark.parametrize(
    ("message", "data"),
    [
        (wire.Output(258, b"hi"), b"\x01\0\0\0\0\0\0\x01\x02hi"),
        (wire.Output(1, b"no", wire.STDERR), b"\x05\0\0\0\0\0\0\0\x01no"),
        (wire.Snapshot(5120, 24, 80, b"\x1bc"), b"\x02\0\0\0\0\0\0\x14\0\0\x18\0\x50\x1bc"),
        (wire.Event({"event": "journal", "state": "ok"}), b'\x03{"event":"journal","state":"ok"}'),
        (wire.InputAck(7), b"\x04\0\0\0\0\0\0\0\x07"),
    ],
)
def test_a_server_says_these_bytes(message: wire.ServerMessage, data: bytes) -> None:
    """The layout of ARCHITECTURE.md, written out: a change here breaks every client."""
    assert wire.encode(message) == data
    assert wire.decode_server(data) == message


@pytest.mark.parametrize(
    ("message", "data"),
    [
        (wire.Attach({"session": 1, "from": "start"}), b'\x10{"session":1,"from":"start"}'),
        (wire.Input(3, b"ls\r"), b"\x11\0\0\0\0\0\0\0\x03ls\r"),
        (wire.Resize(24, 80), b"\x12\0\x18\0\x50"),
        (wire.Ack(1 << 40), b"\x13\0\0\x01\0\0\0\0\0"),
        (wire.Signal("INT"), b"\x14INT"),
        (wire.StdinEof(), b"\x15"),
        (wire.Visible(visible=False), b"\x16\0"),
        (wire.Visible(visible=True), b"\x16\x01"),
    ],
)
def test_a_client_says_these_bytes(message: wire.ClientMessage, data: bytes) -> None:
    """The layout of ARCHITECTURE.md, written out: a change here breaks every server."""
    assert wire.encode(message) == data
    assert wire.decode_client(data) == message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x10",
        b"\x10[]",
        b"\x10{} x",
        b'\x10{"rows":NaN}',
        b'\x10{"rows":1e999}',
        b'\x10{"name":"\\ud800"}',
        b"\x10" + '{"name":"é"}'.encode("latin-1"),
        b"\x11\0\0\0\0\0\0\0",
        b"\x12\0\x18\0",
        b"\x12\0\x18\0\x50\0",
        b"\x13\0\0\0\0\0\0\0",
        b"\x13\0\0\0\0\0\0\0\0\0",
        b"\x14",
        b"\x14IN T",
        b"\x14\xff",
        b"\x15\0",
        b"\x16",
        b"\x16\0\0",
    ],
)
def test_a_malformed_client_message_is_a_violation(data: bytes) -> None:
    """Too short, too long and not JSON are named, not guessed at."""
    assert isinstance(wire.decode_client(data), wire.Violation)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x01\0", b"\x02" + bytes(11), b"\x03nul", b"\x04" + bytes(9), b"\x05" + bytes(7)],
)
def test_a_malformed_server_message_is_a_violation(data: bytes) -> None:
    """A client learns the same from a server that it does not understand."""
    assert isinstance(wire.decode_server(data), wire.Violation)


def test_an_event_without_a_name_has_an_empty_one() -> None:
    """Clients switch on the name; a foreign one must not raise there."""
    assert wire.Event({}).name == ""
    assert wire.Event({"event": "hello"}).name == "hello"
