"""Rules for devices on v2: a BPF program that the kernel asks at each open and mknod (cgroups(7)).

The program is a list of comparisons, the last rule first, since a later one overrides those before
it. Instructions and bpf(2) by their numbers in linux/bpf.h and linux/filter.h.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from ptylaunch.abi import numbers, own_family
from ptylaunch.syscall import call

if TYPE_CHECKING:
    from ptylaunch.plan import DeviceRule

_PROG_LOAD: Final = 5
_PROG_ATTACH: Final = 8
_TYPE_CGROUP_DEVICE: Final = 15
_CGROUP_DEVICE: Final = 6  # enum bpf_attach_type
_ALLOW_MULTI: Final = 2
_KINDS: Final = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_BLOCK, _CHAR
_ACCESS: Final = {"m": 1, "r": 2, "w": 4}  # BPF_DEVCG_ACC_MKNOD, _READ, _WRITE
_EVERY_ACCESS: Final = 7

_KIND, _WANTED, _MAJOR, _MINOR, _SPARE = 2, 3, 4, 5, 6  # registers
_LOAD_WORD: Final = 0x61  # BPF_LDX | BPF_MEM | BPF_W
_MOVE: Final = 0xB7  # BPF_ALU64 | BPF_MOV | BPF_K
_COPY: Final = 0xBF  # BPF_ALU64 | BPF_MOV | BPF_X
_AND: Final = 0x57
_SHIFT_RIGHT: Final = 0x77
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_UNLESS_EQUAL: Final = 0x55
_EXIT: Final = 0x95


class _Step(NamedTuple):
    """One instruction; one that ``leaves`` jumps behind the rule that it is part of."""

    code: int
    target: int = 0
    source: int = 0
    value: int = 0
    offset: int = 0
    leaves: bool = False


def attach(folder: str, rules: tuple[DeviceRule, ...]) -> None:
    """Have a v2 cgroup keep the rules; OSError. They go with it."""
    program = compile_rules(rules)
    code, license_ = ctypes.create_string_buffer(program), ctypes.create_string_buffer(b"Apache")
    load = struct.pack(
        "=IIQQ", _TYPE_CGROUP_DEVICE, len(program) // 8, ctypes.addressof(code),
        ctypes.addressof(license_),
    )  # fmt: skip
    program_fd = _bpf(_PROG_LOAD, load)
    try:
        folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            attached = (folder_fd, program_fd, _CGROUP_DEVICE, _ALLOW_MULTI)
            _bpf(_PROG_ATTACH, struct.pack("=IIII", *attached))
        finally:
            os.close(folder_fd)
    finally:
        os.close(program_fd)


def compile_rules(rules: tuple[DeviceRule, ...]) -> bytes:
    """Return the program: 1 allows, 0 forbids; what no rule speaks of is allowed."""
    code = _encode(
        [
            _Step(_LOAD_WORD, _KIND, source=1),  # struct bpf_cgroup_dev_ctx: access and type
            _Step(_COPY, _WANTED, source=_KIND),
            _Step(_AND, _KIND, value=0xFFFF),
            _Step(_SHIFT_RIGHT, _WANTED, value=16),
            _Step(_LOAD_WORD, _MAJOR, source=1, offset=4),
            _Step(_LOAD_WORD, _MINOR, source=1, offset=8),
        ]
    )
    for rule in reversed(rules):
        tests = _tests_of(rule)
        code += _encode([*tests, _Step(_MOVE, 0, value=int(rule.allow)), _Step(_EXIT)])
        if not tests:  # the kernel takes no code that is never reached
            return b"".join(code)
    return b"".join([*code, *_encode([_Step(_MOVE, 0, value=1), _Step(_EXIT)])])


def _tests_of(rule: DeviceRule) -> list[_Step]:
    """Return what finds out whether a request is one that the rule speaks of."""
    steps: list[_Step] = []
    if rule.kind != "a":
        steps.append(_Step(_UNLESS_EQUAL, _KIND, value=_KINDS[rule.kind], leaves=True))
    mask = sum(_ACCESS[letter] for letter in set(rule.access))
    if mask != _EVERY_ACCESS:
        steps.append(_Step(_COPY, _SPARE, source=_WANTED))
        if rule.allow:  # it speaks of those that want nothing beyond it
            steps.append(_Step(_AND, _SPARE, value=~mask & _EVERY_ACCESS))
            steps.append(_Step(_UNLESS_EQUAL, _SPARE, leaves=True))
        else:  # and of those that want any of it
            steps.append(_Step(_AND, _SPARE, value=mask))
            steps.append(_Step(_IF_EQUAL, _SPARE, leaves=True))
    steps += [
        _Step(_UNLESS_EQUAL, register, value=number, leaves=True)
        for register, number in ((_MAJOR, rule.major), (_MINOR, rule.minor))
        if number is not None
    ]
    return steps


def _encode(steps: list[_Step]) -> list[bytes]:
    """Return the instructions; one that leaves leads behind the last of them (struct bpf_insn)."""
    return [
        struct.pack(
            "=BBhi",
            step.code,
            step.source << 4 | step.target,
            len(steps) - index - 1 if step.leaves else step.offset,
            step.value,
        )
        for index, step in enumerate(steps)
    ]


def _bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    number = numbers(own_family()[0])["bpf"]
    size = ctypes.c_long(len(attributes))
    return call(number, ctypes.c_long(command), ctypes.c_void_p(ctypes.addressof(buffer)), size)
