"""The WebSocket: close codes, heartbeats, and the same meaning however the bytes are cut."""

from __future__ import annotations

import json
import os
import random
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptyd.net.websocket import ATTACH_WITHIN, PING_AFTER, SILENT_TOO_LONG
from served import Served
from wire_client import ACK, ATTACH, INPUT, RESIZE, SIGNAL, STDIN_EOF, VISIBLE

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

TEXT, BINARY, CONTINUED, CLOSE, PING = 1, 2, 0, 8, 9


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, length: int = -1
) -> bytes:
    """Return a client's frame (RFC 6455 section 5.2); ``length`` is what it claims."""
    size = length if length >= 0 else len(payload)
    mask_bit = 0x80 if masked else 0
    head = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 1 << 16:
        head += struct.pack("!BH", mask_bit | 126, size)
    else:
        head += struct.pack("!BQ", mask_bit | 127, size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[n % 4] for n, byte in enumerate(payload))


def message(kind: int, payload: bytes = b"") -> bytes:
    return frame(BINARY, bytes([kind]) + payload)


def typing(position: int, data: bytes) -> bytes:
    return message(INPUT, struct.pack("!Q", position) + data)


VIOLATIONS: list[tuple[int, str, bytes]] = [
    (1003, "text", frame(TEXT, b'{"attach": true}')),
    (1003, "text in parts", frame(TEXT, b"a", fin=False)),
    (1002, "not masked", frame(BINARY, b"\x13" + bytes(8), masked=False)),
    (1002, "a reserved opcode", frame(3, b"x")),
    (1002, "a reserved bit", bytes([0x80 | 0x40 | BINARY]) + frame(BINARY, b"\x13")[1:]),
    (1002, "a continuation of nothing", frame(CONTINUED, b"x")),
    (1002, "a long ping", frame(PING, bytes(126))),
    (1009, "too large", frame(BINARY, b"\x11" * 20, length=(1 << 20) + 1)),
    (4002, "an empty message", frame(BINARY)),
    (4002, "half an ack", message(ACK, bytes(7))),
    (4002, "an ack and more", message(ACK, bytes(9))),
    (4002, "input without a place", message(INPUT, bytes(7))),
    (4002, "half a size", message(RESIZE, bytes(3))),
    (4002, "a signal without a name", message(SIGNAL)),
    (4002, "a signal that is none", message(SIGNAL, b"SIG KILL")),
    (4002, "stdin-eof with something", message(STDIN_EOF, b"x")),
    (4002, "visible without a value", message(VISIBLE)),
    (4002, "a second attach", message(ATTACH, b"{}")),
    (4002, "an attach that is no JSON", message(ATTACH, b"{")),
    (4002, "an attach that is no object", message(ATTACH, b"[1]")),
    (4002, "a hole in the input", typing(1, b"x")),
]


@pytest.mark.parametrize(
    ("code", "what", "data"), VIOLATIONS, ids=[f"{code}-{what}" for code, what, _ in VIOLATIONS]
)
def test_a_violation_ends_one_connection(served: Served, code: int, what: str, data: bytes) -> None:
    """With its code and a reason; everybody else stays."""
    other, client = served.attached(), served.attached()
    client.socket.sendall(data)
    closed = client.read_to_end()
    served.print(b"still here")
    other.read_until("still here")

    assert closed[0] == code, what
    assert closed[1] or code < 4000


NOT_ATTACHED: list[tuple[int, bytes]] = [
    (4002, typing(0, b"x")),
    (4002, message(RESIZE, bytes(4))),
    (4002, message(STDIN_EOF)),
    (4004, message(ATTACH, b'{"session": 7}')),
    *(
        (4001, message(ATTACH, json.dumps(fields).encode()))
        for fields in (
            {"from": "yesterday"},
            {"from": -1},
            {"from": 1 << 64},
            {"from": True},
            {"from": 1.5},
            {"from": None},
            {"from": []},
            {"client": "short"},
            {"client": ""},
            {"client": "A" * 32},
            {"client": 5},
            {"role": "owner of all"},
            {"role": ["control"]},
            {"session": "0"},
            {"session": -1},
            {"epoch": "1"},
            {"rows": 65536, "cols": 80},
            {"rows": -1},
            {"cols": "80"},
        )
    ),
]


# Masks are random (RFC 6455 section 5.3): bytes are no name that every worker would know.
@pytest.mark.parametrize(("code", "data"), NOT_ATTACHED, ids=range(len(NOT_ATTACHED)))
def test_what_is_no_good_first_message(served: Served, code: int, data: bytes) -> None:
    """Anything but an attach, and an attach that cannot be granted."""
    client = served.client()
    client.socket.sendall(data)

    assert client.read_to_end()[0] == code
    assert served.on_loop(lambda: served.session.audience.readers) == []


def test_who_only_acknowledges_is_heard_after_the_rest(served: Served) -> None:
    """A thousand of them are not to keep a key waiting; who types is no crowd."""
    client = served.attached()
    channel = served.channels[-1]
    crowd = served.poller.crowd
    served.print(b"some output")
    client.read_until("some output")  # which is acknowledged

    served.wait(lambda: channel._poll_set is crowd)
    client.type(b"k")
    assert served.typed(1) == b"k"
    served.wait(lambda: channel._poll_set is not crowd)
    served.print(b"an echo")
    client.read_until("an echo")
    client.type(b"l")
    assert served.typed(1) == b"l"
    assert served.on_loop(lambda: channel._poll_set is not crowd)


def test_unknown_kinds_and_fields_are_ignored(served: Served) -> None:
    """A client of tomorrow talks to a server of today."""
    client = served.client()
    client.socket.sendall(message(200, b"of tomorrow") + message(1, bytes(9)))
    client.attach(colour="blue", lossless="yes")
    client.socket.sendall(message(99) + message(24, b"x"))
    client.type(b"still typing")

    assert served.typed(12) == b"still typing"
    assert client.closed is None


def test_who_does_not_attach_is_closed(served: Served) -> None:
    """4005 after ten seconds; one that did is left alone."""
    idle, attached = served.client(), served.attached()
    served.beat(ATTACH_WITHIN - 1)
    served.beat(ATTACH_WITHIN + 0.1)
    closed = idle.read_to_end()
    served.print(b"x")
    attached.read_until("x")

    assert ATTACH_WITHIN == 10.0
    assert closed[0] == 4005


def test_silence_is_asked_and_then_believed(served: Served) -> None:
    """A ping after 15 s, the end after 40 s; an answer to the ping is a sign of life."""
    alive, dead = served.attached(), served.attached()
    served.beat(PING_AFTER - 1)
    served.beat(PING_AFTER + 0.1)
    before = served.on_loop(lambda: len(served.container.websockets))
    alive.step(5)  # takes the ping and sends the pong
    served.on_loop(lambda: None)
    heard = served.on_loop(lambda: sorted(w._heard for w in served.container.websockets))
    served.beat(SILENT_TOO_LONG + 60)
    served.wait(lambda: not served.container.websockets)
    dead.read_to_end()

    assert (PING_AFTER, SILENT_TOO_LONG) == (15.0, 40.0)
    assert before == 2
    assert heard[0] < heard[1]


def test_a_ping_is_answered(served: Served) -> None:
    """Either side may ask (RFC 6455 section 5.5.2)."""
    client = served.client()
    client.socket.sendall(frame(PING, b"are you there"))

    assert client.socket.recv(100) == b"\x8a\x0dare you there"


def test_a_client_that_closes_is_answered(served: Served) -> None:
    """With its own code, and then forgotten."""
    client = served.attached()
    client.socket.sendall(frame(CLOSE, struct.pack("!H", 1000)))
    closed = client.read_to_end()
    client.close()
    served.wait(lambda: not served.container.websockets and not served.session.audience.readers)

    assert closed[0] == 1000


@pytest.mark.parametrize("owner", [True, False], ids=["unix", "tcp"])
def test_the_last_words_of_one_that_has_gone_are_heard(served: Served, *, owner: bool) -> None:
    """Though something is sent to it before they are read, which fails."""
    client = served.owner() if owner else served.attached()
    served.wait(lambda: served.session.audience.readers)

    def leave() -> None:
        client.type("last words")
        client.close()
        for _ in range(2):  # over TCP the first one goes out, and only its answer tells
            served.session.audience.tell(b"\x82\x01\x00")

    served.on_loop(leave)

    assert served.typed(10) == b"last words"
    served.wait(lambda: not served.session.audience.readers)


def test_a_client_that_vanishes_is_forgotten(served: Served) -> None:
    """No close frame, no reason: readers and descriptors are gone all the same."""
    client = served.attached()
    client.close()
    served.wait(lambda: not served.container.websockets and not served.session.audience.readers)
    served.wait(lambda: not any(channel.is_open for channel in served.channels))


def test_a_message_in_parts_is_one(served: Served) -> None:
    """Fragments, with a ping between them and one of them empty."""
    client = served.attached()
    data = bytes([INPUT]) + bytes(8) + b"in parts"
    client.socket.sendall(
        frame(BINARY, b"", fin=False)
        + frame(CONTINUED, data[:5], fin=False)
        + frame(PING)
        + frame(CONTINUED, b"", fin=False)
        + frame(CONTINUED, data[5:])
    )

    assert served.typed(8) == b"in parts"


def test_frames_behind_the_request_are_not_lost(served: Served) -> None:
    """A client in a hurry sends its attach before it has our answer."""
    sock = served.connect()
    request = (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Protocol: ptyd.v1, ptyd.token.{served.token}\r\n\r\n"
    ).encode()
    sock.sendall(request + message(ATTACH, b"{}") + typing(0, b"early"))

    assert served.typed(5) == b"early"


CONVERSATION = st.lists(
    st.one_of(
        st.tuples(st.just("type"), st.integers(1, 200)),
        st.tuples(st.just("ack"), st.integers(0, 1 << 63)),
        st.tuples(st.just("ping"), st.integers(0, 20)),
        st.tuples(st.just("resize"), st.integers(1, 200)),
        st.tuples(st.just("unknown"), st.integers(24, 255)),
        st.tuples(st.just("parts"), st.integers(1, 50)),
    ),
    max_size=25,
)


def spoken(conversation: list[tuple[str, int]]) -> tuple[bytes, bytes]:
    """Return the bytes of a conversation, and what is typed in it."""
    stream, typed = bytearray(), bytearray()
    for what, number in conversation:
        text = bytes(33 + n % 90 for n in range(number % 300))
        start = struct.pack("!Q", len(typed))
        match what:
            case "type":
                stream += typing(len(typed), text)
                typed += text
            case "ack":
                stream += message(ACK, struct.pack("!Q", number))
            case "ping":
                stream += frame(PING, text)
            case "resize":
                stream += message(RESIZE, struct.pack("!HH", number, 80))
            case "unknown":
                stream += message(number, text)
            case _:
                stream += frame(BINARY, bytes([INPUT]) + start[:3], fin=False)
                stream += frame(CONTINUED, start[3:] + text)
                typed += text
    return bytes(stream), bytes(typed)


@given(
    conversation=CONVERSATION, seed=st.integers(0, 1000), largest=st.sampled_from([1, 7, 60, 999])
)
@settings(max_examples=15)
def test_meaning_does_not_depend_on_the_cut(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
    tmp_path_factory: pytest.TempPathFactory,
    conversation: list[tuple[str, int]],
    seed: int,
    largest: int,
) -> None:
    """Each key once and in order, whatever the kernel hands over at once; acks by any path."""
    chance = random.Random(seed)
    stream, typed = spoken(conversation)
    with Served(make_loop, tmp_path_factory.mktemp("cut")) as served:
        client = served.attached(acks=False)
        client.position = len(typed)
        while stream:
            cut = chance.randrange(1, largest + 1)
            client.socket.sendall(stream[:cut])
            stream = stream[cut:]
        got = served.typed(len(typed)) if typed else b""
        client.wait_until(lambda: client.taken == len(typed))

        assert got == typed
        assert client.closed is None


def test_who_talks_and_does_not_listen_is_not_read(served: Served) -> None:
    """What waits for a peer is bounded, whatever it asks; it is served again once it listens."""
    client = served.attached(acks=False)
    client.socket.settimeout(0.2)
    pings = frame(PING, bytes(100)) * 1000
    total = 0
    try:
        while total < 64 << 20:
            total += client.socket.send(pings[total % len(pings) :])
    except TimeoutError:
        pass
    pending = served.pending
    client.socket.settimeout(20)
    received = 0
    while received < total // 2:
        received += len(client.socket.recv(1 << 20))

    assert total < 64 << 20, "it was read for ever"
    assert pending < 3 << 20


def test_who_cannot_ping_asks(served: Served) -> None:
    """A request, answered at once, to hidden clients as well."""
    client = served.attached(hidden=True)
    client.send(23, b'{"request":"alive"}')

    assert client.wait_for_event("alive") == {"event": "alive"}
