"""Headers of WebSocket frames (RFC 6455 section 5.2) for the path that carries output.

Everything else of the WebSocket protocol is done by the ``websockets`` library. A server's frame
is not masked, so one header and one payload serve every viewer: they are built once and shared.
"""

from __future__ import annotations

import struct

_BINARY = 0x82  # FIN and opcode 2


def binary_header(length: int) -> bytes:
    """Return the header of an unmasked binary message of ``length`` bytes."""
    if length < 126:
        return bytes((_BINARY, length))
    if length < 1 << 16:
        return struct.pack("!BBH", _BINARY, 126, length)
    return struct.pack("!BBQ", _BINARY, 127, length)


def binary_frame(payload: bytes) -> bytes:
    """Return ``payload`` as one whole unmasked binary message."""
    return binary_header(len(payload)) + payload
