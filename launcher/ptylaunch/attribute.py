"""How the kernel is to treat a program: its scheduler, its I/O priority, its personality."""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import Any, Final

from ptylaunch import syscall as sc
from ptylaunch.errors import LaunchFailed
from ptylaunch.plan import Attributes
from ptylaunch.value import bad, dict_at, int_at, str_at, strings_at

_SCHEDULER: Final = "process.scheduler"
_IO: Final = "process.ioPriority"
_DOMAIN: Final = "linux.personality"

_POLICIES: Final = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_ISO": 4,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
_FLAGS: Final = {
    "SCHED_FLAG_RESET_ON_FORK": 1,
    "SCHED_FLAG_RECLAIM": 2,
    "SCHED_FLAG_DL_OVERRUN": 4,
    "SCHED_FLAG_KEEP_POLICY": 8,
    "SCHED_FLAG_KEEP_PARAMS": 16,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 32,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 64,
}
_CLASSES: Final = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_CLASS_SHIFT: Final = 13
_WHO_PROCESS: Final = 1
_DOMAINS: Final = {"LINUX": 0, "LINUX32": 8}
_ATTRIBUTES: Final = struct.Struct("=IIQiIQQQ")  # struct sched_attr, sched_setattr(2)


def read_attributes(process: dict[str, Any], linux: dict[str, Any]) -> Attributes:
    """Read ``process.scheduler``, ``process.ioPriority`` and ``linux.personality``."""
    scheduler = dict_at(process, "scheduler", _SCHEDULER)
    io_priority = dict_at(process, "ioPriority", _IO)
    personality = dict_at(linux, "personality", _DOMAIN)
    if scheduler or io_priority or personality:
        __import__("ptylaunch.abi")  # for assume, which runs where nothing can be loaded
    return Attributes(
        _scheduler(scheduler) if scheduler else None,
        _io_priority(io_priority) if io_priority else None,
        _personality(personality) if personality else None,
    )


def assume(attributes: Attributes) -> None:
    """Be treated so from here on; LaunchFailed. Wants the privileges that the program may lack."""
    if attributes.scheduler is not None:
        pointer = ctypes.c_char_p(attributes.scheduler)
        _set("scheduler", "sched_setattr", ctypes.c_long(0), pointer, ctypes.c_long(0))
    if attributes.io_priority is not None:
        who = (ctypes.c_long(_WHO_PROCESS), ctypes.c_long(0))
        _set("ioPriority", "ioprio_set", *who, ctypes.c_long(attributes.io_priority))
    if attributes.personality is not None:
        _set("personality", "personality", ctypes.c_long(attributes.personality))


def _scheduler(fields: dict[str, Any]) -> bytes:
    policy = _word(fields, "policy", _SCHEDULER, _POLICIES)
    nice = fields.get("nice") or 0
    if type(nice) is not int or not -20 <= nice <= 19:
        raise bad(f"{_SCHEDULER}.nice must be a number from -20 to 19")
    flags = 0
    for name in strings_at(fields, "flags", f"{_SCHEDULER}.flags"):
        if name not in _FLAGS:
            raise bad(f"{_SCHEDULER}.flags: {name} is not supported")
        flags |= _FLAGS[name]
    priority, *times = (
        int_at(fields, key, f"{_SCHEDULER}.{key}", 0)
        for key in ("priority", "runtime", "deadline", "period")
    )
    if priority >= 1 << 31 or max(times) >= 1 << 63:
        raise bad(f"{_SCHEDULER}: a number is too large")
    return _ATTRIBUTES.pack(_ATTRIBUTES.size, policy, flags, nice, priority, *times)


def _io_priority(fields: dict[str, Any]) -> int:
    kind = _word(fields, "class", _IO, _CLASSES)
    priority = int_at(fields, "priority", f"{_IO}.priority", 0)
    if priority > 7:
        raise bad(f"{_IO}.priority must be a number from 0 to 7")
    return kind << _CLASS_SHIFT | priority


def _personality(fields: dict[str, Any]) -> int:
    if flags := strings_at(fields, "flags", f"{_DOMAIN}.flags"):
        raise bad(f"{_DOMAIN}.flags: {flags[0]} is not supported")
    return _word(fields, "domain", _DOMAIN, _DOMAINS)


def _word(fields: dict[str, Any], key: str, where: str, known: dict[str, int]) -> int:
    word = str_at(fields, key, f"{where}.{key}")
    if word not in known:
        raise bad(f"{where}.{key} {word!r} is not supported")
    return known[word]


def _set(stage: str, name: str, *arguments: object) -> None:
    from ptylaunch.abi import numbers, own_family  # loaded by read_attributes

    family = own_family()
    if not family:
        raise LaunchFailed(stage, errno.ENOSYS, "not known for this machine")
    try:
        sc.call(numbers(family[0])[name], *arguments)
    except OSError as error:
        raise LaunchFailed(stage, error.errno or errno.EIO) from error
