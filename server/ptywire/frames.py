"""WebSocket frames (RFC 6455 section 5) without I/O: bytes in, messages out, and what to send.

Of our own, because a general library is a fifth of all that ``ptyd run true`` would load. All
messages of ptyd.v1 are binary and there are no extensions, so this is the whole of it. What a peer
does wrong ends its connection with a close code, and is told as :attr:`Frames.fault`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ptywire.message import CLOSE_UNSUPPORTED
from ptywire.websocket import binary_header

if TYPE_CHECKING:
    from collections.abc import Callable

_FIN: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_OPCODES: Final = (_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG)
_MOST_CONTROL: Final = 125
"""Bytes that a control frame may carry (section 5.5)."""

PROTOCOL_ERROR: Final = 1002
NO_CODE: Final = 1005
"""Stands for the code of a close that has none; never sent (section 7.4.1)."""
INVALID_DATA: Final = 1007
TOO_BIG: Final = 1009
_CODES: Final = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
"""Those that a close frame may carry."""


class Farewell(NamedTuple):
    """A close: its code, and words for it."""

    code: int
    reason: str


class Frames:
    """One end of a connection, from behind its handshake on.

    ``most`` is the size of the largest message that is taken; ``mask`` makes four bytes of chance
    for each frame that a client sends, a server sends its frames as they are.
    """

    def __init__(self, most: int, mask: Callable[[], bytes] | None = None) -> None:
        self._most = most
        self._mask = mask
        self._unread = bytearray()
        self._parts: bytearray | None = None
        self._out: list[bytes] = []
        self._deaf = False
        self.is_open = True
        """Whether neither end has closed."""
        self.farewell: Farewell | None = None
        """What the peer closed with."""
        self.fault: Farewell | None = None
        """What the peer did wrong, which it was told: nothing else of it is heard."""

    @property
    def is_between(self) -> bool:
        """Whether a message may begin with the next byte, nothing before it being open."""
        return not self._unread and self._parts is None

    # In

    def receive(self, data: bytes) -> list[bytes]:
        """Return the messages that are whole with ``data``; see what is to be sent behind it."""
        if self._deaf:
            return []
        self._unread += data
        messages: list[bytes] = []
        at = 0
        while (frame := self._frame(at)) is not None:
            opcode, is_final, payload, at = frame
            self._take(opcode, payload, messages, is_final=is_final)
        if self._deaf:
            self._unread.clear()
        else:
            del self._unread[:at]
        return messages

    def _frame(self, at: int) -> tuple[int, bool, bytes, int] | None:
        """Return opcode, finality and payload of the frame at ``at``, and where the next begins.

        None if it is not all there; what is wrong with it is seen before the rest is waited for.
        """
        data = self._unread
        if self._deaf or len(data) < at + 2:
            return None
        first, second = data[at], data[at + 1]
        opcode, length = first & 0x0F, second & 0x7F
        if why := self._objection(first, second):
            self._fail(PROTOCOL_ERROR, why)
            return None
        start = at + 2
        if length > _MOST_CONTROL:
            end = start + (2 if length == 126 else 8)
            if len(data) < end:
                return None
            length, start = int.from_bytes(data[start:end], "big"), end
        if opcode < _CLOSE and length > self._most - len(self._parts or b""):
            self._fail(TOO_BIG, f"a message has at most {self._most} bytes")
            return None
        key = b""
        if second & _MASKED:
            key, start = bytes(data[start : start + 4]), start + 4
        end = start + length
        if len(data) < end:
            return None
        payload = bytes(memoryview(data)[start:end])
        return opcode, bool(first & _FIN), masked(payload, key) if key else payload, end

    def _objection(self, first: int, second: int) -> str:
        """Return what is wrong with a frame that begins with these two bytes, if something is."""
        opcode = first & 0x0F
        if first & _RESERVED:
            return "a reserved bit is set"
        if opcode not in _OPCODES:
            return "an opcode that is none"
        if bool(second & _MASKED) == bool(self._mask):
            return "the frames of a client are masked, and no others"
        if opcode >= _CLOSE and not (first & _FIN and second & 0x7F <= _MOST_CONTROL):
            return "a control frame in parts, or too long"
        if opcode == _CONTINUATION and self._parts is None:
            return "a continuation of nothing"
        if opcode == _BINARY and self._parts is not None:
            return "a message within a message"
        return ""

    def _take(self, opcode: int, payload: bytes, messages: list[bytes], *, is_final: bool) -> None:
        if opcode == _BINARY and is_final:
            messages.append(payload)
        elif opcode in (_BINARY, _CONTINUATION):
            if self._parts is None:
                self._parts = bytearray()
            self._parts += payload
            if is_final:
                messages.append(bytes(self._parts))
                self._parts = None
        elif opcode == _TEXT:
            self._fail(CLOSE_UNSUPPORTED, "messages are binary")
        elif opcode == _PING:
            self._send(_PONG, payload)
        elif opcode == _CLOSE:
            self._take_close(payload)

    def _take_close(self, payload: bytes) -> None:
        try:
            farewell = Farewell(int.from_bytes(payload[:2], "big"), payload[2:].decode())
        except UnicodeDecodeError:
            self._fail(INVALID_DATA, "a reason that is not UTF-8")
            return
        if not payload:
            farewell = Farewell(NO_CODE, "")
        elif len(payload) == 1 or not any(farewell.code in codes for codes in _CODES):
            self._fail(PROTOCOL_ERROR, "a close code that is none")
            return
        self.farewell = farewell
        self._deaf = True
        if self.is_open:
            self._send(_CLOSE, payload)
            self.is_open = False

    def _fail(self, code: int, reason: str) -> None:
        self.fault = Farewell(code, reason)
        self._deaf = True
        self.close(code, reason)

    # Out

    def send(self, message: bytes) -> None:
        """Send a message, unless this end has closed."""
        if self.is_open:
            self._send(_BINARY, message)

    def ping(self) -> None:
        if self.is_open:
            self._send(_PING, b"")

    def close(self, code: int, reason: str) -> None:
        """Close; the first time counts. A reason is cut to what fits."""
        if self.is_open:
            words = reason.encode()[: _MOST_CONTROL - 2].decode(errors="ignore")
            self._send(_CLOSE, code.to_bytes(2, "big") + words.encode())
            self.is_open = False

    def to_send(self) -> bytes:
        """Return the bytes that are to be sent now, once."""
        out, self._out = self._out, []
        return b"".join(out)

    def _send(self, opcode: int, payload: bytes) -> None:
        header = bytearray(binary_header(len(payload)))
        header[0] = _FIN | opcode
        if self._mask is None:
            self._out.append(bytes(header) + payload)
            return
        header[1] |= _MASKED
        key = self._mask()
        self._out.append(bytes(header) + key + masked(payload, key))


def masked(payload: bytes, key: bytes) -> bytes:
    """Return ``payload`` with a mask of four bytes put on, or taken off (section 5.3)."""
    size = len(payload)
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
