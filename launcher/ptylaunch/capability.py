"""Names and numbers of capabilities (linux/capability.h)."""

from __future__ import annotations

from typing import Final, NamedTuple

_NAMES: Final = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
]

NUMBERS: Final = {f"CAP_{name}": number for number, name in enumerate(_NAMES)}


class Capabilities(NamedTuple):
    """Bit masks, capabilities(7)."""

    bounding: int = 0
    effective: int = 0
    permitted: int = 0
    inheritable: int = 0
    ambient: int = 0


def mask_of(names: tuple[str, ...]) -> int:
    """Return the bit mask; a name that is no capability has no bit."""
    mask = 0
    for name in names:
        if name in NUMBERS:
            mask |= 1 << NUMBERS[name]
    return mask


def names_of(mask: int) -> list[str]:
    return [name for name, number in NUMBERS.items() if mask >> number & 1]


def within(asked: Capabilities, available: int) -> Capabilities:
    """Return what capset(2) and prctl(2) grant of it to who has ``available``.

    Effective is a part of permitted, ambient one of permitted and inheritable (capabilities(7)).
    """
    permitted = asked.permitted & available
    inheritable = asked.inheritable & available
    return Capabilities(
        asked.bounding & available,
        asked.effective & permitted,
        permitted,
        inheritable,
        asked.ambient & permitted & inheritable,
    )


def bits_of(mask: int) -> list[int]:
    return [number for number in range(mask.bit_length()) if mask >> number & 1]
