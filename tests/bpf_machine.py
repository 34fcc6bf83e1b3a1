"""A machine for classic BPF as the kernel's seccomp has it: runs a filter on one system call."""

from __future__ import annotations

import struct
from typing import NamedTuple

_INSTRUCTION = struct.Struct("=HBBI")
_DATA = struct.Struct("<IIQ6Q")


class Call(NamedTuple):
    """What a filter sees: struct seccomp_data."""

    number: int
    audit: int
    args: tuple[int, ...] = (0,) * 6


def run_filter(program: bytes, call: Call) -> int:
    """Return the action; raise where the kernel would refuse the program (bpf_check_classic)."""
    instructions = list(_INSTRUCTION.iter_unpack(program))
    assert 0 < len(instructions) <= 4096
    data = _DATA.pack(call.number, call.audit, 0, *call.args)
    accumulator = at = 0
    while True:
        code, if_true, if_false, value = instructions[at]
        at += 1
        match code:
            case 0x20:
                assert value % 4 == 0
                accumulator = struct.unpack_from("<I", data, value)[0]
            case 0x54:
                accumulator &= value
            case 0x05:
                at += value
            case 0x15:
                at += if_true if accumulator == value else if_false
            case 0x25:
                at += if_true if accumulator > value else if_false
            case 0x35:
                at += if_true if accumulator >= value else if_false
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"no such instruction: {code:#x}")
