"""The wall: which frames its filter lets out, decided by the kernel itself."""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptykeep import wall
from ptykeep.netlink import Prefix, prefix_of

if TYPE_CHECKING:
    from collections.abc import Iterable

HOST = ["203.0.113.2/32", "10.99.0.0/16", "2001:db8:1::2/128", "fd00:5::/33"]
_SO_ATTACH_FILTER = 26


def passes(frame: bytes, program: bytes) -> bool:
    """Ask the kernel: send a frame through a socket that has the filter (socket(7))."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        code = ctypes.create_string_buffer(program)
        fields = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
        theirs.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fields)
        theirs.setblocking(False)
        try:
            ours.send(frame)
            return theirs.recv(4096) == frame
        except (BlockingIOError, PermissionError):
            return False


def frame_to(address: str, protocol: int = 6) -> bytes:
    to = ipaddress.ip_address(address)
    if to.version == 4:
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, protocol, 0, b"\x0a" * 4, b"")
        return bytes(12) + b"\x08\x00" + header[:16] + to.packed + bytes(20)
    header = struct.pack("!IHBB", 6 << 28, 20, protocol, 64) + bytes(16) + to.packed
    return bytes(12) + b"\x86\xdd" + header + bytes(20)


def program_for(host: Iterable[str]) -> bytes:
    return wall.pack(wall.make_filter([prefix_of(text) for text in host]))


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "0.255.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254", "169.254.0.1"),
        *("224.0.0.251", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("203.0.113.2", "10.99.0.0", "10.99.255.255"),
        *("::", "::1", "::ffff:127.0.0.1", "::ffff:203.0.113.2", "64:ff9b::a9fe:a9fe"),
        *("fe80::1", "febf::1", "ff02::1", "ff05::c", "2001:db8:1::2", "fd00:5::1"),
        "fd00:5:7fff::1",
    ],
)
def test_what_is_the_hosts_is_kept_back(address: str) -> None:
    """And what no box reaches on any host."""
    assert not passes(frame_to(address), program_for(HOST))


@pytest.mark.parametrize(
    "address",
    [
        *("1.0.0.0", "8.8.8.8", "10.0.2.3", "126.255.255.255", "128.0.0.0", "169.253.255.255"),
        *("169.255.0.0", "203.0.113.1", "203.0.113.3", "10.98.255.255", "10.100.0.0"),
        *("223.255.255.255", "2001:db8:1::1", "2001:db8:1::3", "2001:db8:1:0:1::2"),
        *("fd70:7479:6400::2", "fd00:4:ffff::1", "fd00:5:8000::1"),
    ],
)
def test_the_rest_of_the_world_is_let_through(address: str) -> None:
    """Up to the addresses beside those that are not."""
    assert passes(frame_to(address), program_for(HOST))


def test_neighbours_can_be_found() -> None:
    """ARP, and ICMPv6 to a group; other frames and other packets to groups are dropped."""
    program = program_for(HOST)

    assert passes(bytes(12) + b"\x08\x06" + bytes(28), program)
    assert passes(frame_to("ff02::1:ff00:2", protocol=58), program)
    assert not passes(frame_to("ff02::fb", protocol=17), program)
    assert not passes(bytes(12) + b"\x81\x00\x00\x01" + frame_to("8.8.8.8")[12:], program)
    assert not passes(bytes(12) + b"\x88\xcc" + bytes(28), program)


@given(
    st.lists(st.ip_addresses().map(ipaddress.ip_network), max_size=6),
    st.lists(st.integers(0, 128), min_size=6, max_size=6),
    st.ip_addresses(),
)
def test_a_prefix_keeps_back_what_it_covers(
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network],
    lengths: list[int],
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Any prefixes, any address: what one of them or none of them covers, ipaddress knows."""
    wider = [
        network.supernet(new_prefix=min(length, network.max_prefixlen))
        for network, length in zip(networks, lengths, strict=False)
    ]
    always = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "fe80::/10", "ff00::/8"]
    kept = [*wider, *map(ipaddress.ip_network, always)]
    open_ = ["0.0.0.0/0", "2000::/3", "fc00::/7"]
    expected = not any(address in network for network in kept) and any(
        address in ipaddress.ip_network(network) for network in open_
    )
    program = wall.make_filter(
        Prefix(network.network_address.packed, network.prefixlen) for network in wider
    )

    assert passes(frame_to(str(address)), wall.pack(program)) == expected


def test_too_many_addresses_are_refused() -> None:
    """A filter has an end; a wall with a hole is none."""
    many = [Prefix(struct.pack("!I", 0x0B000000 + 2 * number), 32) for number in range(2000)]
    with pytest.raises(ValueError, match="too many"):
        wall.make_filter(many)

    assert len(wall.make_filter(many[:900])) < wall.MOST
