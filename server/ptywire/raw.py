"""The raw dialect: bytes both ways, as ``nc`` and telnet speak it, and ptyme before us.

There is no authentication, so a browser must not be able to type: a connection whose first bytes
are an HTTP request or a TLS hello is closed at once.
"""

from __future__ import annotations

from typing import Final

# A browser's request starts with a method; "PRI" is the preface of HTTP/2 (RFC 9113 section 3.4).
_METHODS: Final = (
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
    b"PRI ",
)
_TLS_HANDSHAKE: Final = b"\x16\x03"  # record type and major version, RFC 8446 section 5.1

SNIFF: Final = max(map(len, _METHODS))
"""Bytes that decide."""


def is_foreign(head: bytes) -> bool | None:
    """Tell whether what starts with ``head`` is HTTP or TLS; None: more bytes are needed."""
    signatures = (*_METHODS, _TLS_HANDSHAKE)
    if any(head.startswith(signature) for signature in signatures):
        return True
    if any(signature.startswith(head) for signature in signatures):
        return None
    return False
