"""Which packets of a box may leave it: a filter on its interface, as classic BPF.

Routes alone are no wall: a program that binds its socket to the interface (SO_BINDTODEVICE, which
asks for no privilege) is sent there even when a route says unreachable, and pasta(1) answers for
every address. The filter is on the tap itself (TUNATTACHFILTER), out of the box's reach. It sees
whole Ethernet frames; see bpf(4) of the BSDs and linux/Documentation/networking/filter.rst.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from ptykeep.netlink import Prefix, prefix_of

if TYPE_CHECKING:
    from collections.abc import Iterable

NOWHERE: Final = tuple(
    map(
        prefix_of,
        (
            "0.0.0.0/8",  # 0.0.0.0 is the host itself to connect(2)
            "127.0.0.0/8",
            "169.254.0.0/16",  # link-local, and the metadata services of clouds
            "224.0.0.0/4",  # multicast reaches the host's own listeners
            "240.0.0.0/4",  # reserved, broadcast
            "fe80::/10",
            "ff00::/8",
        ),
    )
)
"""What a box never reaches, whatever the host's addresses are."""

UNROUTED: Final = tuple(
    map(prefix_of, ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "fe80::/10"))
)
"""Those of them that a route can keep back: loopback and ff00::/8 have routes of their own."""

_GLOBAL: Final = (prefix_of("2000::/3"), prefix_of("fc00::/7"))
"""The only parts of IPv6 that are let through: the rest holds ::1, and ::ffff:127.0.0.1."""

_MULTICAST: Final = prefix_of("ff00::/8")

_LOAD_WORD: Final = 0x20
_LOAD_HALF: Final = 0x28
_LOAD_BYTE: Final = 0x30
_AND: Final = 0x54
_JUMP: Final = 0x05
_JUMP_IF_EQUAL: Final = 0x15
_RETURN: Final = 0x06
_DROP: Final = 0
_PASS: Final = 0xFFFFFFFF

# Offsets into a frame, and what is there.
_TYPE: Final = 12
_ARP: Final = 0x0806
_IPV4: Final = 0x0800
_IPV6: Final = 0x86DD
_TO_IPV4: Final = 30
_NEXT_HEADER: Final = 20
_TO_IPV6: Final = 38
_ICMPV6: Final = 58

MOST: Final = 4096
"""Instructions that the kernel takes (BPF_MAXINSNS)."""

_Instruction = tuple[int, int, int, int]


def make_filter(host: Iterable[Prefix]) -> list[_Instruction]:
    """Return (code, jump if true, jump if false, operand) of a filter that spares ``host``.

    ``host`` are the host's own addresses; what is in :data:`NOWHERE` is dropped in any case.
    Raise ValueError when they are too many for one filter.
    """
    denied = _smallest([*NOWHERE, *host])
    four = [prefix for prefix in denied if len(prefix.address) == 4]
    six = [prefix for prefix in denied if len(prefix.address) == 16]
    ipv6 = [*_pass_neighbours(), *_drop_unless(_GLOBAL)]
    for prefix in six:
        ipv6 += _drop(prefix, _TO_IPV6)
    ipv6.append((_RETURN, 0, 0, _PASS))
    ipv4: list[_Instruction] = []
    for prefix in four:
        ipv4 += _drop(prefix, _TO_IPV4)
    ipv4.append((_RETURN, 0, 0, _PASS))
    program: list[_Instruction] = [
        (_LOAD_HALF, 0, 0, _TYPE),
        (_JUMP_IF_EQUAL, 0, 1, _ARP),
        (_RETURN, 0, 0, _PASS),
        (_JUMP_IF_EQUAL, 2, 0, _IPV6),
        (_JUMP_IF_EQUAL, 2, 0, _IPV4),
        (_RETURN, 0, 0, _DROP),
        (_JUMP, 0, 0, len(ipv4)),
        *ipv4,
        *ipv6,
    ]
    if len(program) > MOST:
        raise ValueError(f"{len(denied)} addresses are too many for one filter")
    return program


def pack(program: Iterable[_Instruction]) -> bytes:
    """Return struct sock_filter after struct sock_filter."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _smallest(prefixes: list[Prefix]) -> list[Prefix]:
    """Leave out what another covers."""
    kept: list[Prefix] = []
    for prefix in sorted(set(prefixes), key=lambda one: one.length):
        if not any(other.covers(prefix) for other in kept):
            kept.append(prefix)
    return kept


def _drop(prefix: Prefix, offset: int) -> list[_Instruction]:
    """Drop what goes to ``prefix``, else go on behind."""
    return [*_compare(prefix, offset, otherwise=1), (_RETURN, 0, 0, _DROP)]


def _drop_unless(prefixes: Iterable[Prefix]) -> list[_Instruction]:
    """Drop what goes to none of ``prefixes`` (of IPv6), else go on behind."""
    tests: list[_Instruction] = []
    for prefix in reversed(list(prefixes)):
        # Equal: jump over all the tests that follow and the drop; else on to the next test.
        tests = [*_compare(prefix, _TO_IPV6, 1), (_JUMP, 0, 0, len(tests) + 1), *tests]
    return [*tests, (_RETURN, 0, 0, _DROP)]


def _pass_neighbours() -> list[_Instruction]:
    """Pass ICMPv6 to multicast addresses: neighbours are found by it (RFC 4861)."""
    compare = _compare(_MULTICAST, _TO_IPV6, otherwise=3)
    return [
        *compare,
        (_LOAD_BYTE, 0, 0, _NEXT_HEADER),
        (_JUMP_IF_EQUAL, 0, 1, _ICMPV6),
        (_RETURN, 0, 0, _PASS),
    ]


def _compare(prefix: Prefix, offset: int, otherwise: int) -> list[_Instruction]:
    """Fall through when the address at ``offset`` is in ``prefix``, else skip ``otherwise`` more.

    A jump is 8 bits wide, and the longest here is over twelve instructions.
    """
    blocks: list[list[_Instruction]] = []
    for start in range(0, len(prefix.address), 4):
        bits = min(32, prefix.length - start * 8)
        if bits <= 0:
            break
        mask = (0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF
        word = int.from_bytes(prefix.address[start : start + 4]) & mask
        load: list[_Instruction] = [(_LOAD_WORD, 0, 0, offset + start)]
        if bits < 32:
            load.append((_AND, 0, 0, mask))
        blocks.append([*load, (_JUMP_IF_EQUAL, 0, 0, word)])
    program: list[_Instruction] = []
    for block in reversed(blocks):
        *load, (code, _, _, word) = block
        program = [*load, (code, 0, len(program) + otherwise, word), *program]
    return program
