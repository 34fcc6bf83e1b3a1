"""Rules of ``linux.resources.devices``: which devices a box may use, and the v1 files for them.

v2 has no such files, its rules are BPF programs, which we do not make: there a spec whose box could
make itself a device (mknod(2)) that its rules forbid is refused.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, Final

from ptylaunch import syscall as sc
from ptylaunch.capability import NUMBERS
from ptylaunch.errors import LaunchFailed
from ptylaunch.hierarchy import write_text
from ptylaunch.plan import DeviceRule
from ptylaunch.value import as_dict, bad, bool_at, list_at, str_at

if TYPE_CHECKING:
    from ptylaunch.placement import Cgroup
    from ptylaunch.plan import Plan

_ALWAYS: Final = (
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",  # null zero full random urandom
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",  # tty console ptmx, and terminals
    "c 5:1 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
)
"""What every box has (runtime-spec, config-linux.md, "Default Devices"), whatever the rules are."""


def read_rules(resources: dict[str, Any], where: str) -> tuple[DeviceRule, ...]:
    """Return the rules of ``linux.resources``; LaunchFailed("spec", …)."""
    entries = list_at(resources, "devices", where)
    return tuple(_rule(entry, f"{where}[{n}]") for n, entry in enumerate(entries))


def writes_of(rules: tuple[DeviceRule, ...]) -> list[tuple[str, str]]:
    """Return file and line for each rule in turn, and then what is always allowed."""
    lines = [("devices.allow" if rule.allow else "devices.deny", _line(rule)) for rule in rules]
    return lines + [("devices.allow", line) for line in _ALWAYS]


def enforce(cgroup: Cgroup, rules: tuple[DeviceRule, ...]) -> None:
    """Set them where there is a v1 controller for them; OSError."""
    folder = cgroup.v1_folder("devices")
    if not folder or not rules:
        return
    for file, line in writes_of(rules):
        path = f"{folder}/{file}"
        try:
            write_text(path, line)
        except OSError as error:
            error.filename = path
            raise


def require_enforcement(plan: Plan, cgroup: Cgroup) -> None:
    """Refuse a box that could use devices that its rules forbid; LaunchFailed."""
    forbids = any(not rule.allow for rule in plan.resources.devices)
    if not forbids or plan.namespaces & sc.CLONE_NEWUSER or cgroup.v1_folder("devices"):
        return
    if os.geteuid() == 0 and plan.program.capabilities.bounding >> NUMBERS["CAP_MKNOD"] & 1:
        detail = "linux.resources.devices cannot be kept here from a box with CAP_MKNOD"
        raise LaunchFailed("cgroup", errno.ENOTSUP, detail)


def _rule(entry: object, where: str) -> DeviceRule:
    fields = as_dict(entry, where)
    kind = str_at(fields, "type", where + ".type", "") or "a"
    access = str_at(fields, "access", where + ".access", "") or "rwm"
    if kind not in ("a", "b", "c"):
        raise bad(f"{where}.type {kind!r} is not one of a, b and c")
    if not set(access) <= set("rwm"):
        raise bad(f"{where}.access {access!r} is not of r, w and m")
    if not isinstance(fields.get("allow"), bool):
        raise bad(f"{where}.allow must be true or false")
    numbers = [_number(fields, key, where) for key in ("major", "minor")]
    if kind == "a":
        numbers = [None, None]  # the kernel takes no others with it
    return DeviceRule(bool_at(fields, "allow", where), kind, numbers[0], numbers[1], access)


def _number(fields: dict[str, Any], key: str, where: str) -> int | None:
    """None and -1 are all of them."""
    value = fields.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < -1):
        raise bad(f"{where}.{key} must be a number")
    return None if value == -1 else value


def _line(rule: DeviceRule) -> str:
    if rule.kind == "a":
        return "a"  # of all access as well: the kernel knows no other
    major, minor = ("*" if n is None else str(n) for n in (rule.major, rule.minor))
    return f"{rule.kind} {major}:{minor} {rule.access}"
