"""What ptyd asks of the kernel's network: rtnetlink(7), as far as it is needed.

A socket belongs to the network namespace in which it was made, and stays there: the keeper holds
one of the host's and one of the box's.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# See netlink(7) and rtnetlink(7).
_ERROR: Final = 2
_DONE: Final = 3
_REQUEST: Final = 0x1
_ACK: Final = 0x4
_DUMP: Final = 0x300
CREATE: Final = 0x400
REPLACE: Final = 0x100
_NEWLINK: Final = 16
_GETLINK: Final = 18
_NEWADDR: Final = 20
_NEWROUTE: Final = 24
_DELROUTE: Final = 25
_GETROUTE: Final = 26

ADDRESSES: Final = 0x10 | 0x100
ROUTES: Final = 0x40 | 0x400
"""Groups of notifications: RTMGRP_IPV4_IFADDR and so on."""

_HEADER: Final = struct.Struct("=IHHII")
_LINK: Final = struct.Struct("=BxHiII")
_ADDRESS: Final = struct.Struct("=BBBBI")
_ROUTE: Final = struct.Struct("=BBBBBBBBI")
_UP: Final = 0x1
_NO_DAD: Final = 0x02
_UNICAST: Final = 1
_LOCAL_KINDS: Final = (2, 3, 4)  # RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST
_UNREACHABLE: Final = 7
_MAIN: Final = 254
_LOCAL: Final = 255
_BY_ADMINISTRATOR: Final = 4  # RTPROT_STATIC
_ATTRIBUTE_TYPE: Final = 0x3FFF  # without the nested and byte order flags
WITHIN: Final = 5.0
"""Seconds in which a kernel has answered."""


class Prefix(NamedTuple):
    """A range of addresses: 4 or 16 bytes, and how many bits of them count."""

    address: bytes
    length: int

    @property
    def family(self) -> int:
        return socket.AF_INET if len(self.address) == 4 else socket.AF_INET6

    def covers(self, other: Prefix) -> bool:
        """Tell whether every address of ``other`` is one of ours."""
        if len(self.address) != len(other.address) or self.length > other.length:
            return False
        rest = len(self.address) * 8 - self.length
        return int.from_bytes(self.address) >> rest == int.from_bytes(other.address) >> rest


class Route(NamedTuple):
    """One route of the host; ``local`` when it leads to the host itself."""

    to: Prefix
    local: bool
    main: bool


def prefix_of(text: str) -> Prefix:
    """Return ``ADDRESS/LENGTH``."""
    address, _, length = text.partition("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return Prefix(socket.inet_pton(family, address), int(length))


def open_netlink(groups: int = 0) -> socket.socket:
    """Return a socket in the namespace of the caller, subscribed to ``groups``."""
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    sock = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
    sock.bind((0, groups))
    sock.settimeout(WITHIN)
    return sock


def routes() -> list[Route]:
    """Return all routes of our network namespace, those to itself included."""
    found: list[Route] = []
    with open_netlink() as sock:
        for body in _ask(sock, _GETROUTE, _DUMP, _ROUTE.pack(*[0] * 9)):
            family, length, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(body)
            size = {socket.AF_INET: 4, socket.AF_INET6: 16}.get(family)
            if size is None:
                continue
            address = dict(_attributes(body[_ROUTE.size :])).get(1, bytes(size))
            local = table == _LOCAL and kind in _LOCAL_KINDS
            main = table == _MAIN and kind == _UNICAST
            found.append(Route(Prefix(address, length), local, main))
    return found


def index_of(sock: socket.socket, name: str) -> int:
    """Return the number of an interface; raise OSError (ENODEV) when there is none."""
    body = _LINK.pack(0, 0, 0, 0, 0) + _attribute(3, name.encode() + b"\0")
    (answer,) = _ask(sock, _GETLINK, 0, body)
    index: int = _LINK.unpack_from(answer)[2]
    return index


def raise_link(sock: socket.socket, index: int, mtu: int, hardware: bytes) -> None:
    """Switch an interface on; ``mtu`` is in bytes."""
    body = _LINK.pack(0, 0, index, _UP, _UP)
    _ask(sock, _NEWLINK, 0, body + _attribute(4, struct.pack("=I", mtu)) + _attribute(1, hardware))


def add_address(sock: socket.socket, index: int, own: Prefix) -> None:
    body = _ADDRESS.pack(own.family, own.length, _NO_DAD, 0, index)
    body += _attribute(1, own.address) + _attribute(2, own.address)
    _ask(sock, _NEWADDR, CREATE | REPLACE, body)


def add_default_route(sock: socket.socket, index: int, gateway: bytes) -> None:
    family = Prefix(gateway, 0).family
    body = _ROUTE.pack(family, 0, 0, 0, _MAIN, _BY_ADMINISTRATOR, 0, _UNICAST, 0)
    body += _attribute(5, gateway) + _attribute(4, struct.pack("=I", index))
    _ask(sock, _NEWROUTE, CREATE | REPLACE, body)


def add_unreachable(sock: socket.socket, to: Prefix) -> None:
    """Answer at once what is sent to ``to``, instead of leaving its sender to wait."""
    _ask(sock, _NEWROUTE, CREATE | REPLACE, _unreachable(to))


def remove_unreachable(sock: socket.socket, to: Prefix) -> None:
    _ask(sock, _DELROUTE, 0, _unreachable(to))


def _unreachable(to: Prefix) -> bytes:
    body = _ROUTE.pack(to.family, to.length, 0, 0, _MAIN, _BY_ADMINISTRATOR, 0, _UNREACHABLE, 0)
    return body + _attribute(1, to.address) + _attribute(6, struct.pack("=I", 1))


def _ask(sock: socket.socket, kind: int, flags: int, body: bytes) -> list[bytes]:
    """Send a request and return the bodies of its answers; raise the OSError that it gives."""
    sequence = int.from_bytes(os.urandom(4)) | 1
    flags |= _REQUEST | (0 if flags & _DUMP == _DUMP else _ACK)
    sock.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body)
    answers: list[bytes] = []
    while True:
        for answer, its, payload in _messages(sock.recv(1 << 18)):
            if its != sequence:
                continue  # a notification, or of a request that was given up
            if answer == _ERROR:
                number = -struct.unpack_from("=i", payload)[0]
                if number:
                    raise OSError(number, os.strerror(number), "rtnetlink")
                return answers
            if answer == _DONE:
                return answers
            answers.append(payload)


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield kind, sequence number and body of each message."""
    while len(data) >= _HEADER.size:
        length, kind, _, sequence, _ = _HEADER.unpack_from(data)
        yield kind, sequence, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & _ATTRIBUTE_TYPE, data[4:length]
        data = data[(length + 3) & ~3 or 4 :]
