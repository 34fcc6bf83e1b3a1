"""The commands about what a container may use and has used: update and events."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from ptylaunch import allotment
from ptylaunch.creation import read_object
from ptylaunch.errors import Refused
from ptylaunch.folder import Folder
from ptylaunch.process import is_alive, wait_for_end
from ptylaunch.record import (
    read_cgroup,
    read_config,
    read_record,
    status_of,
    write_config,
)
from ptylaunch.resources import read_resources
from ptylaunch.usage import event_of, oom_kills, stats
from ptylaunch.value import dict_at

if TYPE_CHECKING:
    from argparse import Namespace

_UNITS: Final = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

FLAGS: Final = {
    # flag of update: (group and field of linux.resources, what it is)
    "memory": ("memory", "limit", "bytes, or with k, m, g; -1 is no limit"),
    "memory-reservation": ("memory", "reservation", "soft limit, as --memory"),
    "memory-swap": ("memory", "swap", "of memory and swap together, as --memory"),
    "cpu-share": ("cpu", "shares", "weight of processor time, 2 to 262144"),
    "cpu-quota": ("cpu", "quota", "microseconds of processor time a period"),
    "cpu-period": ("cpu", "period", "microseconds"),
    "cpuset-cpus": ("cpu", "cpus", "processors, as 0-3,5"),
    "cpuset-mems": ("cpu", "mems", "memory nodes, as 0-3,5"),
    "pids-limit": ("pids", "limit", "processes"),
    "cpu-burst": ("cpu", "burst", "microseconds that may be saved up"),
    "cpu-idle": ("cpu", "idle", "1: processor time that nobody else wants"),
    "cpu-rt-period": ("cpu", "realtimePeriod", "microseconds"),
    "cpu-rt-runtime": ("cpu", "realtimeRuntime", "microseconds of real time a period"),
    "blkio-weight": ("blockIO", "weight", "weight of block I/O, 10 to 1000"),
}


def update(arguments: Namespace) -> int:
    """Change the limits of a container that has not ended; all of them, or after a failure none."""
    if arguments.resources is not None:
        wanted = read_object(arguments.resources)
    else:
        wanted = _asked_by_flags(arguments)
    with Folder.open(arguments.root, arguments.id, lock=True) as folder:
        if status_of(folder, read_record(folder)) == "stopped":
            raise Refused(f"container {arguments.id} is stopped")
        spec = read_config(folder)
        linux: dict[str, Any] = spec.setdefault("linux", {})
        had = dict_at(linux, "resources", "linux.resources")
        _add_memory_limit(wanted, had)
        allotment.update(read_cgroup(folder), read_resources(wanted))
        linux["resources"] = _merged(had, wanted)
        write_config(folder, spec)
    return 0


def show_events(arguments: Namespace) -> int:
    """Print what a container has used, now and then until it ends, or once."""
    interval = parse_duration(arguments.interval)
    with Folder.open(arguments.root, arguments.id) as folder:
        process, cgroup = read_record(folder).process, read_cgroup(folder)
    if not is_alive(process):
        raise Refused(f"container not running: {arguments.id}")
    if not cgroup.folders:
        raise Refused(f"container {arguments.id} has no cgroup that counts")
    killed = oom_kills(cgroup)
    while True:
        _print(event_of(arguments.id, stats(cgroup)))
        if arguments.stats or wait_for_end(process, interval):
            return 0
        before, killed = killed, oom_kills(cgroup)
        if killed > before:
            _print({"type": "oom", "id": arguments.id})


def _print(event: dict[str, Any]) -> None:
    """One line, without spaces as runc writes it: there are those who look for them by grep."""
    print(json.dumps(event, separators=(",", ":")), flush=True)


def parse_bytes(text: str) -> int:
    """Return the bytes of ``64m``; ValueError. Units are powers of 1024, as docker's."""
    match = re.fullmatch(r"(-1|[0-9]{1,18})([bkmgt]?)(?:i?b)?", text.lower())
    if match is None or (match[1] == "-1" and match[2]):
        raise ValueError(text)
    return int(match[1]) * _UNITS[match[2]]


def parse_duration(text: str) -> float:
    """Return the seconds of Go's ``5s`` or ``1m30s``."""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)", text)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(map("".join, parts)) != text or not 0 < seconds < 1e6:
        raise Refused(f"--interval {text!r}: it looks like 5s or 1m30s")
    return seconds


def _asked_by_flags(arguments: Namespace) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    for flag, (group, field, _) in FLAGS.items():
        text: str | None = getattr(arguments, flag.replace("-", "_"))
        if text is not None:
            value = text if flag.startswith("cpuset") else _number(flag, text)
            wanted.setdefault(group, {})[field] = value
    if not wanted:
        raise Refused("nothing to update: give --resources or one of the limits")
    return wanted


def _number(flag: str, text: str) -> int:
    try:
        if flag.startswith("memory"):
            return parse_bytes(text)
        return int(text)
    except ValueError:
        raise Refused(f"--{flag} {text!r}: it must be a number") from None


def _add_memory_limit(wanted: dict[str, Any], had: dict[str, Any]) -> None:
    """A limit of memory and swap together means nothing without that of memory: the one it has."""
    memory = dict_at(wanted, "memory", "memory")
    limit = dict_at(had, "memory", "memory").get("limit")
    if memory.get("swap") and not memory.get("limit") and limit:
        memory["limit"] = limit


def _merged(had: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Return both; a field of ``wanted`` that says nothing (0, null) changes nothing."""
    merged = dict(had)
    for group in ("memory", "cpu", "pids"):
        fields = dict_at(wanted, group, group)
        kept = {key: value for key, value in fields.items() if value or key in ("idle", "burst")}
        if kept:
            merged[group] = {**dict_at(had, group, group), **kept}
    for group in ("blockIO", "network", "rdma", "unified", "hugepageLimits"):
        if wanted.get(group):
            merged[group] = wanted[group]  # whole: its lists cannot be told apart
    return merged
