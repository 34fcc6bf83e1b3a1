"""The opening handshake of a WebSocket (RFC 6455 section 4) without I/O, of both ends."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from hashlib import sha1
else:
    try:
        from _sha1 import sha1
    except ImportError:  # a Python that is built to have OpenSSL's alone, which is 2 ms
        from hashlib import sha1

Fields = dict[str, list[str]]
"""The header fields of a message: the values of each, by its name in lower case."""

MOST: Final = 1 << 16
"""Bytes of an answer, in which no proxy is so long-winded."""
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY: Final = 16
_VERSION: Final = "13"


class Answer(NamedTuple):
    """What a server says to a request: status, its phrase, the fields, and what came behind."""

    status: int
    phrase: str
    fields: Fields
    rest: bytes

    @property
    def body_size(self) -> int | None:
        """How many bytes belong to it; None if that is up to the end of the stream."""
        if "transfer-encoding" in self.fields:
            return 0  # in pieces, of which nobody shows us any
        sizes = self.fields.get("content-length", [])
        return (
            min(int(sizes[0]), MOST)
            if sizes and sizes[0].isascii() and sizes[0].isdigit()
            else None
        )


def new_key(chance: bytes) -> str:
    """Return the key of a handshake, of 16 bytes of chance."""
    return b2a_base64(chance, newline=False).decode()


def accept_of(key: str) -> str:
    """Return what shows that a server has understood ``key`` (section 4.2.2)."""
    digest = sha1(key.encode("latin-1") + _GUID).digest()  # noqa: S324 - the RFC's, no secret
    return b2a_base64(digest, newline=False).decode()


# A client


def request(path: str, host: str, key: str, offered: Sequence[str]) -> bytes:
    """Return the request for a WebSocket that speaks one of the subprotocols ``offered``."""
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        f"Sec-WebSocket-Version: {_VERSION}",
        f"Sec-WebSocket-Protocol: {', '.join(offered)}",
        "\r\n",
    )
    return "\r\n".join(lines).encode()


def parse_answer(data: bytes) -> Answer | None:
    """Return the answer that ``data`` begins with, None if it is not whole.

    ValueError if it is not one of HTTP/1.1.
    """
    begin = b"HTTP/1.1 "
    if data[: len(begin)] != begin[: len(data)] or len(data) > 2 * MOST:
        raise ValueError("not HTTP/1.1")
    head, mark, rest = data.partition(b"\r\n\r\n")
    if len(head) > MOST:
        raise ValueError("a head without an end")
    if not mark:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    status, _, phrase = first[len(begin) :].partition(" ")
    if len(status) != 3 or not (status.isascii() and status.isdigit()):
        raise ValueError("a status that is none")
    fields: Fields = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise ValueError("a header field that is none")
        fields.setdefault(name.lower(), []).append(value.strip())
    return Answer(int(status), phrase, fields, rest)


def is_welcome(answer: Answer, key: str) -> bool:
    """Tell whether a server has made a WebSocket of it, without extensions (section 4.1)."""
    return (
        answer.status == 101
        and _upgrades(answer.fields)
        and answer.fields.get("sec-websocket-accept") == [accept_of(key)]
        and "sec-websocket-extensions" not in answer.fields
    )


# A server


def refusal(fields: Mapping[str, list[str]]) -> tuple[int, str] | None:
    """Return the status and a line for a request that cannot become a WebSocket (section 4.2.1)."""
    if not _upgrades(fields):
        return 426, "this path is a WebSocket"
    keys = fields.get("sec-websocket-key", [])
    if len(keys) != 1 or not _is_key(keys[0]):
        return 400, "a handshake has one Sec-WebSocket-Key of 16 bytes"
    if fields.get("sec-websocket-version") != [_VERSION]:
        return 400, f"a handshake has Sec-WebSocket-Version {_VERSION}"
    return None


def welcome(fields: Mapping[str, list[str]], subprotocol: str) -> bytes:
    """Return the answer to a request without :func:`refusal`."""
    lines = (
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_of(fields['sec-websocket-key'][0])}",
        f"Sec-WebSocket-Protocol: {subprotocol}",
        "\r\n",
    )
    return "\r\n".join(lines).encode("latin-1")


def _upgrades(fields: Mapping[str, list[str]]) -> bool:
    wanted = _words(fields.get("upgrade", []))
    return wanted == ["websocket"] and "upgrade" in _words(fields.get("connection", []))


def _is_key(text: str) -> bool:
    try:
        return len(a2b_base64(text, strict_mode=True)) == _KEY
    except ValueError:  # and binascii.Error, which is one
        return False


def _words(values: list[str]) -> list[str]:
    """Return the members of a list in a header field, in lower case (RFC 9110 section 5.6.1)."""
    return [word for word in (each.strip() for each in ",".join(values).lower().split(",")) if word]
