"""The opening handshake of a WebSocket, both ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from ptywire.handshake import (
    MOST,
    Fields,
    accept_of,
    is_welcome,
    new_key,
    parse_answer,
    refusal,
    request,
    welcome,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The RFC's own, section 1.3."""
FIELDS: Fields = {
    "connection": ["keep-alive, Upgrade"],
    "upgrade": ["WebSocket"],
    "sec-websocket-key": [KEY],
    "sec-websocket-version": ["13"],
}
GOOD = welcome(FIELDS, "ptyd.v1")


def test_the_rfcs_example() -> None:
    """Section 1.3, and a key of its bytes is that key."""
    assert accept_of(KEY) == ACCEPT
    assert new_key(b"the sample nonce") == KEY


def test_websockets_takes_our_answer() -> None:
    """A client of the library's, with the key that it made itself."""
    client = ClientProtocol(parse_uri("ws://localhost/ws"), subprotocols=["ptyd.v1"])  # type: ignore[list-item]
    client.send_request(client.connect())
    client.receive_data(welcome({**FIELDS, "sec-websocket-key": [client.key]}, "ptyd.v1"))

    assert client.handshake_exc is None
    assert (client.state, client.subprotocol) == (State.OPEN, "ptyd.v1")


def test_websockets_takes_our_request() -> None:
    """And we take what it answers."""
    server = ServerProtocol(subprotocols=["ptyd.v1"])  # type: ignore[list-item]
    server.receive_data(request("/a/ws", "[::1]:99", KEY, ["ptyd.v1", "ptyd.token.x"]))
    (asked,) = server.events_received()
    assert isinstance(asked, Request)
    server.send_response(server.accept(asked))
    answer = parse_answer(b"".join(server.data_to_send()))

    assert (asked.path, asked.headers["Host"]) == ("/a/ws", "[::1]:99")
    assert answer is not None
    assert is_welcome(answer, KEY)
    assert answer.fields["sec-websocket-protocol"] == ["ptyd.v1"]


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (426, {"upgrade": []}),
        (426, {"upgrade": ["h2c"]}),
        (426, {"upgrade": ["websocket, h2c"]}),
        (426, {"connection": ["keep-alive"]}),
        (400, {"sec-websocket-key": []}),
        (400, {"sec-websocket-key": [KEY, KEY]}),
        (400, {"sec-websocket-key": ["c2hvcnQ="]}),
        (400, {"sec-websocket-key": ["!" * 24]}),
        (400, {"sec-websocket-key": ["\xff" * 24]}),
        (400, {"sec-websocket-version": ["8"]}),
        (400, {"sec-websocket-version": ["13", "13"]}),
    ],
    ids=lambda value: str(value)[:40].encode("ascii", "replace").decode(),
)
def test_what_is_no_handshake_is_refused(status: int, changes: Fields) -> None:
    """426 where no WebSocket is asked for, else 400."""
    refused = refusal({**FIELDS, **changes})

    assert refusal(FIELDS) is None
    assert refused is not None
    assert refused[0] == status


@pytest.mark.parametrize(
    "change",
    [
        (b"101", b"200"),
        (ACCEPT.encode(), b"A" * 28),
        (b"Upgrade: websocket", b"Upgrade: h2c"),
        (b"Connection: Upgrade", b"Connection: close"),
        (b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
    ],
    ids=str,
)
def test_what_is_no_welcome(change: tuple[bytes, bytes]) -> None:
    """Whoever answers so is no server of ours, or is in between."""
    good, bad = parse_answer(GOOD), parse_answer(GOOD.replace(*change))

    assert good is not None
    assert bad is not None
    assert is_welcome(good, KEY)
    assert not is_welcome(bad, KEY)


@given(st.integers(0, len(GOOD) - 1))
def test_an_answer_is_waited_for(cut: int) -> None:
    """None of it is an answer, and none of it is wrong."""
    assert parse_answer(GOOD[:cut]) is None


@given(st.binary(max_size=20))
def test_what_comes_behind_it_is_kept(rest: bytes) -> None:
    """A server in a hurry sends frames with its answer."""
    answer = parse_answer(GOOD + rest)

    assert answer is not None
    assert answer.rest == rest


@given(st.binary(max_size=200) | st.binary(max_size=99).map(lambda data: b"HTTP/1.1 " + data))
def test_no_bytes_raise_but_for_what_is_no_answer(data: bytes) -> None:
    """ValueError, and nothing else."""
    for end in (b"", b"\r\n\r\n"):
        try:
            answer = parse_answer(data + end)
        except ValueError:
            continue
        assert answer is None or 0 <= answer.status <= 999


def test_an_answer_without_end_is_none() -> None:
    """What is kept of it is bounded."""
    with pytest.raises(ValueError, match="without an end"):
        parse_answer(b"HTTP/1.1 200 OK\r\nX: " + bytes(MOST))


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        (b"", None),
        (b"Content-Length: 9\r\n", 9),
        (b"Content-Length: 99999999\r\n", MOST),
        (b"Content-Length: -1\r\n", None),
        (b"Transfer-Encoding: chunked\r\n", 0),
    ],
    ids=lambda value: str(value)[:20],
)
def test_how_much_belongs_to_a_refusal(fields: bytes, size: int | None) -> None:
    """Up to the end of the stream where nobody says."""
    answer = parse_answer(b"HTTP/1.1 403 No\r\n" + fields + b"\r\n")

    assert answer is not None
    assert answer.body_size == size
