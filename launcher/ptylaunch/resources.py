"""Reads ``linux.cgroupsPath`` and ``linux.resources`` of a spec; what we cannot do is refused."""

from __future__ import annotations

import posixpath
from typing import Any, Final, cast

from ptylaunch.devicerule import read_rules
from ptylaunch.plan import Resources, Seldom
from ptylaunch.value import bad, bool_at, dict_at, str_at

_WHERE: Final = "linux.resources"
_KNOWN: Final = {
    "memory": (
        *("limit", "swap", "reservation", "swappiness", "disableOOMKiller"),
        *("useHierarchy", "checkBeforeUpdate"),
    ),
    "cpu": (
        *("shares", "quota", "period", "cpus", "mems"),
        *("burst", "idle", "realtimeRuntime", "realtimePeriod"),
    ),
    "pids": ("limit",),
}
_SELDOM: Final = ("hugepageLimits", "blockIO", "network", "rdma", "unified")
_HIGHEST: Final = 65535
"""Number of a processor or memory node: far beyond what Linux can have (NR_CPUS is 8192)."""


def read_cgroups_path(spec: dict[str, Any]) -> str:
    """Return ``linux.cgroupsPath`` without ``..``; empty when there is none."""
    where = "linux.cgroupsPath"
    path = str_at(dict_at(spec, "linux", "linux"), "cgroupsPath", where, "")
    if path.count(":") == 2 and "/" not in path:
        raise bad(f"{where}: systemd's slice:prefix:name is not supported yet")
    if "\n" in path:
        raise bad(f"{where} cannot hold a newline")
    if not path:
        return ""
    inside = posixpath.normpath("/" + path.lstrip("/"))  # so that no .. leads out
    if inside == "/":
        raise bad(f"{where} must name a cgroup of the box's own")
    return inside if path.startswith("/") else inside[1:]


def read_limits(spec: dict[str, Any]) -> Resources:
    """Return the limits of a whole spec."""
    return read_resources(dict_at(dict_at(spec, "linux", "linux"), "resources", _WHERE))


def read_resources(fields: dict[str, Any]) -> Resources:
    """Return what ``linux.resources`` asks for; LaunchFailed("spec", …) names the place."""
    for kind, value in fields.items():
        if kind not in ("devices", *_KNOWN, *_SELDOM) and not _is_nothing(value):
            raise bad(f"{_WHERE}.{kind} is not supported yet")
    seldom: tuple[Seldom, ...] = ()
    if not all(_is_nothing(fields.get(kind)) for kind in _SELDOM):
        from ptylaunch.seldom import read_seldom  # few have these

        seldom = read_seldom(fields)
    memory, cpu, pids = (_group(fields, kind) for kind in _KNOWN)
    resources = Resources(
        memory=_limit(memory, "memory", "limit"),
        swap=_limit(memory, "memory", "swap"),
        reservation=_limit(memory, "memory", "reservation"),
        shares=_limit(cpu, "cpu", "shares"),
        quota=_limit(cpu, "cpu", "quota"),
        period=_limit(cpu, "cpu", "period"),
        burst=_from_zero(cpu, "burst", (1 << 63) - 1),
        idle=_from_zero(cpu, "idle", 1),
        rt_runtime=_limit(cpu, "cpu", "realtimeRuntime"),
        rt_period=_limit(cpu, "cpu", "realtimePeriod"),
        cpus=_list_of(cpu, "cpus"),
        mems=_list_of(cpu, "mems"),
        pids=_pids(pids),
        swappiness=_swappiness(memory),
        no_oom_killer=bool_at(memory, "disableOOMKiller", f"{_WHERE}.memory.disableOOMKiller"),
        devices=read_rules(fields, f"{_WHERE}.devices"),
        check_first=bool_at(memory, "checkBeforeUpdate", f"{_WHERE}.memory.checkBeforeUpdate"),
        seldom=seldom,
    )
    _check_swap(resources)
    return resources


def parse_list(text: str) -> frozenset[int]:
    """Return the numbers of ``0-3,5`` (cpuset(7), "List format"); ValueError when it is no list."""
    numbers: set[int] = set()
    for part in text.split(","):
        ends = part.strip().split("-", 1)
        if not all(end.isascii() and end.isdecimal() and len(end) <= 5 for end in ends):
            raise ValueError(text)
        first, last = int(ends[0]), int(ends[-1])
        if last < first or last > _HIGHEST:
            raise ValueError(text)
        numbers.update(range(first, last + 1))
    return frozenset(numbers)


def _group(fields: dict[str, Any], kind: str) -> dict[str, Any]:
    group = dict_at(fields, kind, f"{_WHERE}.{kind}")
    for key, value in group.items():
        if key not in _KNOWN[kind] and not _is_nothing(value):
            raise bad(f"{_WHERE}.{kind}.{key} is not supported yet")
    return group


def _is_nothing(value: object) -> bool:
    """Tell whether a field only spells a default out, as engines that marshal structs do."""
    if isinstance(value, dict):
        return all(map(_is_nothing, cast("dict[str, object]", value).values()))
    return not value


def _limit(group: dict[str, Any], kind: str, key: str) -> int | None:
    """Return a limit, None for 0, which runc too takes for "not asked"."""
    value = group.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not -1 <= value < 1 << 63:
        raise bad(f"{_WHERE}.{kind}.{key} must be a number, -1 for no limit")
    return value or None


def _swappiness(group: dict[str, Any]) -> int | None:
    """Here 0 asks for something."""
    value = group.get("swappiness")
    if value is not None and (type(value) is not int or not 0 <= value <= 100):
        raise bad(f"{_WHERE}.memory.swappiness must be a number from 0 to 100")
    return value


def _from_zero(group: dict[str, Any], key: str, most: int) -> int | None:
    """Here too 0 asks for something: for none any more."""
    value = group.get(key)
    if value is not None and (type(value) is not int or not 0 <= value <= most):
        raise bad(f"{_WHERE}.cpu.{key} must be a number from 0 to {most}")
    return value


def _pids(group: dict[str, Any]) -> int | None:
    """Here 0 is docker's other word for no limit."""
    return -1 if group.get("limit") == 0 else _limit(group, "pids", "limit")


def _list_of(group: dict[str, Any], key: str) -> str:
    where = f"{_WHERE}.cpu.{key}"
    text = str_at(group, key, where, "")
    try:
        if text:
            parse_list(text)
    except ValueError:
        raise bad(f"{where}: {text!r} is no list such as 0-3,5") from None
    return text


def _check_swap(resources: Resources) -> None:
    memory, swap = resources.memory, resources.swap
    if swap is None or swap == -1:
        return
    if memory is None or memory == -1:
        raise bad(f"{_WHERE}.memory.swap counts memory and swap: it wants memory.limit as well")
    if swap < memory:
        raise bad(f"{_WHERE}.memory.swap counts memory and swap: it is less than memory.limit")
