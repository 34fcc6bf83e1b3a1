"""Assembles classic BPF, the machine of seccomp filters (linux/filter.h, linux/bpf_common.h).

A conditional jump reaches at most 255 instructions, and only forward. So a program is written from
its end: whatever a jump leads to is there already, its distance known, and a target that is too
far gets an unconditional jump (which reaches everywhere) right beside the one that needs it.
"""

from __future__ import annotations

import struct
from typing import Final

LD_W_ABS: Final = 0x20
ALU_AND_K: Final = 0x54
JMP_JA: Final = 0x05
JMP_JEQ_K: Final = 0x15
JMP_JGT_K: Final = 0x25
JMP_JGE_K: Final = 0x35
RET_K: Final = 0x06

MAX_INSTRUCTIONS: Final = 4096
"""BPF_MAXINSNS; the kernel answers EINVAL to a longer program."""

_REACH: Final = 255
_SOCK_FILTER: Final = struct.Struct("=HBBI")  # struct sock_filter: code, jt, jf, k


class Assembler:
    """A program under construction. A *label* is what a method returned, and so later in it.

    Each method puts an instruction in front of all others; ``then`` is where it goes on.
    """

    def __init__(self) -> None:
        self._reversed: list[tuple[int, int, int, int]] = []
        self._returns: dict[int, int] = {}

    def ret(self, value: int) -> int:
        """End with ``value``; one that is near is used again."""
        label = self._returns.get(value)
        if label is None or self._distance(label) >= _REACH // 2:
            label = self._returns[value] = self._put(RET_K, 0, 0, value)
        return label

    def load(self, offset: int, then: int) -> int:
        """Load the 32-bit word at byte ``offset`` of struct seccomp_data."""
        self._fall_to(then)
        return self._put(LD_W_ABS, 0, 0, offset)

    def mask(self, bits: int, then: int) -> int:
        """Keep only ``bits`` of what was loaded."""
        self._fall_to(then)
        return self._put(ALU_AND_K, 0, 0, bits)

    def jump(self, operation: int, value: int, if_true: int, if_false: int) -> int:
        """Compare what was loaded with ``value``, unsigned."""
        if self._distance(if_true) >= _REACH:  # not > : the other side may get a jump in between
            if_true = self._go_to(if_true)
        if self._distance(if_false) > _REACH:
            if_false = self._go_to(if_false)
        return self._put(operation, self._distance(if_true), self._distance(if_false), value)

    def pack(self) -> bytes:
        """Return the program as an array of struct sock_filter."""
        return b"".join(_SOCK_FILTER.pack(*each) for each in reversed(self._reversed))

    def _put(self, code: int, if_true: int, if_false: int, value: int) -> int:
        self._reversed.append((code, if_true, if_false, value))
        return len(self._reversed) - 1

    def _distance(self, label: int) -> int:
        """How many instructions the next one would have to skip to get there."""
        return len(self._reversed) - label - 1

    def _go_to(self, label: int) -> int:
        return self._put(JMP_JA, 0, 0, self._distance(label))

    def _fall_to(self, label: int) -> None:
        if self._distance(label):
            self._go_to(label)


def length(program: bytes) -> int:
    """Return the number of instructions."""
    return len(program) // _SOCK_FILTER.size
