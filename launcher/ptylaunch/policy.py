"""``linux.seccomp`` of the OCI spec, read and checked: which system call gets which action.

Where the spec leaves a question open the answer is runc's, or the stricter one:

- names that no table of ours has are passed over: a policy is written for many kernels;
- two conditions on one argument are alternatives, on different ones they must all hold;
- of all rules that match, the strictest action counts, in the kernel's own order (seccomp(2)), and
  of several of the same action the first.
"""

from __future__ import annotations

import errno
from typing import Any, Final, NamedTuple

from ptylaunch.abi import NAMES, Abi, own_family
from ptylaunch.value import as_dict, bad, dict_at, int_at, list_at, str_at, strings_at

# SECCOMP_RET_ of linux/seccomp.h
KILL_PROCESS: Final = 0x80000000
KILL_THREAD: Final = 0x00000000
TRAP: Final = 0x00030000
ERRNO: Final = 0x00050000
TRACE: Final = 0x7FF00000
LOG: Final = 0x7FFC0000
ALLOW: Final = 0x7FFF0000

ACTIONS: Final = {
    "SCMP_ACT_KILL": KILL_THREAD,
    "SCMP_ACT_KILL_THREAD": KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": KILL_PROCESS,
    "SCMP_ACT_TRAP": TRAP,
    "SCMP_ACT_ERRNO": ERRNO,
    "SCMP_ACT_TRACE": TRACE,
    "SCMP_ACT_LOG": LOG,
    "SCMP_ACT_ALLOW": ALLOW,
}

OPERATORS: Final = (
    *("SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT"),
    "SCMP_CMP_MASKED_EQ",
)

# SECCOMP_FILTER_FLAG_ of linux/seccomp.h
FLAGS: Final = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
}

_NOTIFY: Final = "SCMP_ACT_NOTIFY"
_FOR_NOTIFY: Final = ("listenerPath", "listenerMetadata")
_TOP: Final = (1 << 64) - 1


class Condition(NamedTuple):
    """On ``argument`` 0 to 5; ``mask`` is the whole word but for SCMP_CMP_MASKED_EQ."""

    argument: int
    operator: str
    value: int
    mask: int = _TOP


class Rule(NamedTuple):
    """``action`` is what a filter returns: SECCOMP_RET_ with its data. All conditions must hold."""

    action: int
    conditions: tuple[Condition, ...] = ()


class Policy(NamedTuple):
    """``rules`` by name, strictest first, none behind one without conditions."""

    default: int
    abis: tuple[Abi, ...]
    rules: dict[str, tuple[Rule, ...]]
    flags: int = 0


def read_policy(linux: dict[str, Any], where: str = "linux.seccomp") -> Policy | None:
    """Return the policy of ``linux``, None where it has none; LaunchFailed("spec", …)."""
    if linux.get("seccomp") is None:
        return None
    fields = dict_at(linux, "seccomp", where)
    for key in _FOR_NOTIFY:
        if fields.get(key):
            raise bad(f"{where}.{key} is not supported")
    flags = 0
    for name in strings_at(fields, "flags", f"{where}.flags"):
        if name not in FLAGS:
            raise bad(f"{where}.flags: {name} is not supported")
        flags |= FLAGS[name]
    rules: dict[str, list[Rule]] = {}
    for index, entry in enumerate(list_at(fields, "syscalls", f"{where}.syscalls")):
        at = f"{where}.syscalls[{index}]"
        call = as_dict(entry, at)
        names = strings_at(call, "names", f"{at}.names")
        if not names:
            raise bad(f"{at}.names is empty")
        alternatives = _read_rules(call, at)
        for name in names:
            rules.setdefault(name, []).extend(alternatives)
    return Policy(
        _action(fields, "defaultAction", "defaultErrnoRet", where),
        _abis(strings_at(fields, "architectures", f"{where}.architectures"), where),
        {name: _ordered(entries) for name, entries in rules.items()},
        flags,
    )


def strictness(action: int) -> int:
    """Return a number that is lower for the stricter action: the kernel compares them signed."""
    kind = action & 0xFFFF0000
    return kind - (1 << 32) if kind >> 31 else kind


def _ordered(rules: list[Rule]) -> tuple[Rule, ...]:
    """Put the strictest first, and leave out what can never be reached."""
    ordered: list[Rule] = []
    for rule in sorted(rules, key=lambda rule: strictness(rule.action)):
        if rule not in ordered:
            ordered.append(rule)
        if not rule.conditions:
            break
    return tuple(ordered)


def _abis(names: tuple[str, ...], where: str) -> tuple[Abi, ...]:
    family = own_family()
    if not family:
        raise bad(f"{where}: there is no table of system calls for this machine")
    for name in names:
        if name not in NAMES:
            raise bad(f"{where}.architectures: there is no {name!r}")
    # The machine's own is always one (libseccomp: seccomp_init(3)), others' are of no matter.
    return tuple(abi for abi in family if abi is family[0] or f"SCMP_ARCH_{abi.name}" in names)


def _action(fields: dict[str, Any], key: str, errno_key: str, where: str) -> int:
    name = str_at(fields, key, f"{where}.{key}")
    if name == _NOTIFY:
        raise bad(f"{where}.{key}: {name} is not supported")
    if name not in ACTIONS:
        raise bad(f"{where}.{key}: there is no {name!r}")
    action = ACTIONS[name]
    if action not in (ERRNO, TRACE):
        return action
    data = int_at(fields, errno_key, f"{where}.{errno_key}", errno.EPERM)
    if data > (0xFFFF if action == TRACE else 4095):  # MAX_ERRNO of linux/err.h
        raise bad(f"{where}.{errno_key} is too large")
    return action | data


def _read_rules(call: dict[str, Any], where: str) -> list[Rule]:
    action = _action(call, "action", "errnoRet", where)
    conditions = tuple(
        _condition(as_dict(entry, f"{where}.args[{index}]"), f"{where}.args[{index}]")
        for index, entry in enumerate(list_at(call, "args", f"{where}.args"))
    )
    if len({condition.argument for condition in conditions}) == len(conditions):
        return [Rule(action, conditions)]
    return [Rule(action, (condition,)) for condition in conditions]


def _condition(fields: dict[str, Any], where: str) -> Condition:
    index = int_at(fields, "index", f"{where}.index")
    if index > 5:
        raise bad(f"{where}.index: a system call has six arguments")
    operator = str_at(fields, "op", f"{where}.op")
    if operator not in OPERATORS:
        raise bad(f"{where}.op: there is no {operator!r}")
    value = int_at(fields, "value", f"{where}.value")
    second = int_at(fields, "valueTwo", f"{where}.valueTwo", 0)
    if max(value, second) > _TOP:
        raise bad(f"{where}: a value has 64 bits")
    if operator == "SCMP_CMP_MASKED_EQ":  # seccomp_rule_add(3): mask first, datum second
        return Condition(index, operator, second & value, value)
    return Condition(index, operator, value)
