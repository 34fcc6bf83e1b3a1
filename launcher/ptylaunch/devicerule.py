"""Rules of ``linux.resources.devices``: which devices a box may use, and the v1 files for them.

v2 has no such files, its rules are a program (``devicefilter``). An ordinary user can set neither,
nor make a device (mknod(2)): the rules are left alone then.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, Final

from ptylaunch.errors import LaunchFailed
from ptylaunch.hierarchy import write_text
from ptylaunch.plan import DeviceRule
from ptylaunch.value import as_dict, bad, bool_at, list_at, str_at

if TYPE_CHECKING:
    from ptylaunch.placement import Cgroup

_ALWAYS: Final = (
    DeviceRule(allow=True, kind="c", major=None, minor=None, access="m"),
    DeviceRule(allow=True, kind="b", major=None, minor=None, access="m"),
    *(
        DeviceRule(allow=True, kind="c", major=major, minor=minor, access="rwm")
        for major, minor in (
            *((1, 3), (1, 5), (1, 7), (1, 8), (1, 9)),  # null zero full random urandom
            *((5, 0), (5, 1), (5, 2), (136, None)),  # tty console ptmx, and terminals
        )
    ),
)
"""What every box has (runtime-spec, config-linux.md, "Default Devices"), whatever the rules are."""


def read_rules(resources: dict[str, Any], where: str) -> tuple[DeviceRule, ...]:
    """Return the rules of ``linux.resources``; LaunchFailed("spec", …)."""
    entries = list_at(resources, "devices", where)
    return tuple(_rule(entry, f"{where}[{n}]") for n, entry in enumerate(entries))


def writes_of(rules: tuple[DeviceRule, ...]) -> list[tuple[str, str]]:
    """Return v1's file and line for each rule in turn, and then what is always allowed."""
    return [
        ("devices.allow" if rule.allow else "devices.deny", _line(rule))
        for rule in (*rules, *_ALWAYS)
    ]


def enforce(cgroup: Cgroup, rules: tuple[DeviceRule, ...]) -> None:
    """Set them by v1's controller, else by v2's; OSError."""
    folder = cgroup.v1_folder("devices")
    if not rules:
        return
    if not folder:
        if cgroup.unified and may_make_devices():
            from ptylaunch.devicefilter import attach  # a compiler, for v2 alone

            attach(cgroup.unified, (*rules, *_ALWAYS))
        return
    for file, line in writes_of(rules):
        path = f"{folder}/{file}"
        try:
            write_text(path, line)
        except OSError as error:
            error.filename = path
            raise


def may_make_devices() -> bool:
    """Tell whether we are the host's root: podman may be the root of another user namespace."""
    with open("/proc/self/uid_map", encoding="utf-8") as file:
        return os.geteuid() == 0 and file.read().split() == ["0", "0", "4294967295"]


def require_enforcement(rules: tuple[DeviceRule, ...], cgroup: Cgroup) -> None:
    """Refuse a box that could use devices that its rules forbid; LaunchFailed."""
    if any(not rule.allow for rule in rules) and not cgroup.folders and may_make_devices():
        detail = "linux.resources.devices wants a cgroup"
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
