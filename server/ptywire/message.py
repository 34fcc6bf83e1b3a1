"""The messages of ``ptyd.v1``: one binary WebSocket message each, big-endian.

The first byte is the kind. Offsets are absolute byte positions in a session's journal; ``end`` is
the offset *after* the payload, even where the payload was edited on the way. Sizes are rows, then
columns. ARCHITECTURE.md has the table; a test holds the two against each other.

Decoding never raises because of a peer: a malformed message is a :class:`Violation`, an unknown
kind is ``None`` and is to be ignored.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any, Final, NamedTuple, TypeAlias, cast

SUBPROTOCOL: Final = "ptyd.v1"
TOKEN_PREFIX: Final = "ptyd.token."  # noqa: S105 - a subprotocol's prefix, not a secret

OUTPUT: Final = 1
SNAPSHOT: Final = 2
EVENT: Final = 3
INPUT_ACK: Final = 4
STDERR: Final = 5
ATTACH: Final = 16
INPUT: Final = 17
RESIZE: Final = 18
ACK: Final = 19
SIGNAL: Final = 20
STDIN_EOF: Final = 21
VISIBLE: Final = 22
REQUEST: Final = 23

MAX_MESSAGE: Final = 1 << 20
"""Bytes: the largest message either side accepts."""
"""Bytes, but for a snapshot."""
MAX_SNAPSHOT: Final = 16 << 20
"""Bytes of the message with the snapshot of a huge screen in which every cell has its own look."""

SIGNALS: Final = ("INT", "TERM", "HUP", "QUIT", "TSTP", "CONT", "KILL")
"""Signals that a controller may send; an owner may send any."""

DETACHED: Final = "detached"
"""The reason beside CLOSE_NORMAL of a client that leaves on purpose."""

# Close codes; the 4000s are ours (RFC 6455 section 7.4.2), the others the RFC's.
CLOSE_NORMAL: Final = 1000
CLOSE_GOING_AWAY: Final = 1001
CLOSE_UNSUPPORTED: Final = 1003
CLOSE_EXITED: Final = 4000
CLOSE_REFUSED: Final = 4001
CLOSE_VIOLATION: Final = 4002
CLOSE_KICKED: Final = 4003
CLOSE_GONE: Final = 4004
CLOSE_TIMEOUT: Final = 4005
CLOSE_REPLACED: Final = 4006

_U64: Final = struct.Struct("!BQ")
_SNAPSHOT: Final = struct.Struct("!BQHH")
_SIZE: Final = struct.Struct("!BHH")

OUTPUT_HEADER: Final = _U64.size
"""Bytes before the payload of an output, stderr or input message."""
SNAPSHOT_HEADER: Final = _SNAPSHOT.size


class Output(NamedTuple):
    """Bytes of the journal that end at ``end``; ``kind`` is OUTPUT or STDERR."""

    end: int
    data: bytes
    kind: int = OUTPUT


class Snapshot(NamedTuple):
    """Bytes that repaint the terminal as it was at ``end``."""

    end: int
    rows: int
    cols: int
    data: bytes


class Event(NamedTuple):
    """Something that happened; ``fields["event"]`` names it."""

    fields: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.fields.get("event", ""))


class InputAck(NamedTuple):
    """Input up to ``position`` is with the program's terminal."""

    position: int


class Attach(NamedTuple):
    """The first message of a client; see ARCHITECTURE.md for its fields."""

    fields: dict[str, Any]


class Input(NamedTuple):
    """Bytes typed, the first of them at ``position`` of this client's input."""

    position: int
    data: bytes


class Resize(NamedTuple):
    rows: int
    cols: int


class Ack(NamedTuple):
    """Everything before ``offset`` is on the client's screen."""

    offset: int


class Signal(NamedTuple):
    """A signal's name without SIG."""

    name: str


class StdinEof(NamedTuple):
    pass


class Visible(NamedTuple):
    visible: bool


class Request(NamedTuple):
    """Something asked of the session; ``fields["request"]`` names it."""

    fields: dict[str, Any]


class Violation(NamedTuple):
    """The peer sent what the protocol does not allow; the connection is to be closed."""

    reason: str


ServerMessage: TypeAlias = Output | Snapshot | Event | InputAck
ClientMessage: TypeAlias = Attach | Input | Resize | Ack | Signal | StdinEof | Visible | Request


def output_header(end: int, kind: int = OUTPUT) -> bytes:
    return _U64.pack(kind, end)


def encode(message: ServerMessage | ClientMessage) -> bytes:  # noqa: PLR0911 - one return a kind
    """Return the bytes of ``message``, kind first."""
    match message:
        case Output(end, data, kind):
            return _U64.pack(kind, end) + data
        case Snapshot(end, rows, cols, data):
            return _SNAPSHOT.pack(SNAPSHOT, end, rows, cols) + data
        case Event(fields):
            return b"\x03" + _dump(fields)
        case InputAck(position):
            return _U64.pack(INPUT_ACK, position)
        case Attach(fields):
            return b"\x10" + _dump(fields)
        case Input(position, data):
            return _U64.pack(INPUT, position) + data
        case Resize(rows, cols):
            return _SIZE.pack(RESIZE, rows, cols)
        case Ack(offset):
            return _U64.pack(ACK, offset)
        case Signal(name):
            return b"\x14" + name.encode("ascii")
        case StdinEof():
            return b"\x15"
        case Request(fields):
            return b"\x17" + _dump(fields)
        case Visible(visible):
            return b"\x16\x01" if visible else b"\x16\x00"


def decode_server(data: bytes) -> ServerMessage | Violation | None:  # noqa: PLR0911 - as above
    """Decode what a server sent."""
    if not data:
        return Violation("empty message")
    kind = data[0]
    if kind in (OUTPUT, STDERR):
        if len(data) < _U64.size:
            return Violation("output without its offset")
        return Output(_U64.unpack_from(data)[1], data[_U64.size :], kind)
    if kind == EVENT:
        fields = _load(data[1:])
        return Event(fields) if fields is not None else Violation("an event is a JSON object")
    if kind == INPUT_ACK:
        if len(data) != _U64.size:
            return Violation("input-ack takes a u64")
        return InputAck(_U64.unpack(data)[1])
    if kind == SNAPSHOT:
        if len(data) < _SNAPSHOT.size:
            return Violation("snapshot without its header")
        _, end, rows, cols = _SNAPSHOT.unpack_from(data)
        return Snapshot(end, rows, cols, data[_SNAPSHOT.size :])
    return None


def decode_client(data: bytes) -> ClientMessage | Violation | None:  # noqa: PLR0911 - as above
    """Decode what a client sent."""
    if not data:
        return Violation("empty message")
    kind = data[0]
    if kind in (ACK, INPUT):
        return _decode_positioned(kind, data)
    if kind == RESIZE:
        if len(data) != _SIZE.size:
            return Violation("resize takes two u16")
        return Resize(*_SIZE.unpack(data)[1:])
    if kind in (ATTACH, REQUEST):
        fields = _load(data[1:])
        if fields is None:
            return Violation("attach and request are JSON objects")
        return Attach(fields) if kind == ATTACH else Request(fields)
    if kind == SIGNAL:
        name = data[1:].decode("ascii", "replace")
        return Signal(name) if name.isalnum() else Violation("signal takes a name without SIG")
    if kind == STDIN_EOF:
        return StdinEof() if len(data) == 1 else Violation("stdin-eof takes nothing")
    if kind == VISIBLE:
        return Visible(data[1] != 0) if len(data) == 2 else Violation("visible takes a u8")
    return None


def _decode_positioned(kind: int, data: bytes) -> Ack | Input | Violation:
    if len(data) < _U64.size or (kind == ACK and len(data) != _U64.size):
        return Violation("ack takes a u64" if kind == ACK else "input without its position")
    position: int = _U64.unpack_from(data)[1]
    return Ack(position) if kind == ACK else Input(position, data[_U64.size :])


def _dump(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()


def _load(data: bytes) -> dict[str, Any] | None:
    try:
        # Given bytes, json.loads guesses UTF-16 and UTF-32; the wire is UTF-8 (RFC 8259, 8.1).
        value: Any = json.loads(data.decode(), parse_float=_finite, parse_constant=_finite)
        # An escaped lone surrogate is not text and would raise where it is shown (RFC 8259, 8.2).
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _finite(number: str) -> float:
    # NaN and Infinity are Python's alone; 1e999 overflows to it; int() of one raises far away.
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is not a JSON number")
    return value
