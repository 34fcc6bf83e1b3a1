"""``ptyd run``'s limits: docker's options and what they mean in an OCI spec."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from ptycli.arguments import Failure, natural, size_of
from ptylaunch.placement import place
from ptylaunch.plan import Resources
from ptylaunch.resources import parse_list

if TYPE_CHECKING:
    import argparse

PIDS: Final = 2048
"""Processes and threads of a box that asks for no limit, as podman has it (docker has none).

Everything in a box shares the host's table of processes (kernel.pid_max is often 32768), so a box
without a limit can keep the whole host from starting anything. 2048 is more than people use.
"""

_PERIOD: Final = 100_000
"""Microseconds, as docker's: --cpus 1.5 is 150 ms of processor time in each 100 ms."""
_LEAST_MEMORY: Final = 6 << 20
"""Bytes, docker's: with less a box cannot even start."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-m", "--memory", metavar="SIZE", help="most memory, 6m or more: what needs more is killed")
    add("--memory-swap", metavar="SIZE", help="memory and swap together, -1: any; default: twice")
    add("--cpus", metavar="N", help="most processor time, 0.01 up to all there are")
    add("-c", "--cpu-shares", metavar="N", help="its weight beside others, 1024 is the usual one")
    add("--cpu-period", metavar="MICROSECONDS", help="with --cpu-quota, what --cpus says at once")
    add("--cpu-quota", metavar="MICROSECONDS", help="processor time in each period")
    add("--cpuset-mems", metavar="LIST", help="the memory nodes it may have memory of")
    add("--memory-reservation", metavar="SIZE", help="memory it is brought down to under pressure")
    add("--cpuset-cpus", metavar="LIST", help="the processors it may run on: 0-1, 0,3")
    add("--pids-limit", metavar="N", help=f"most processes and threads, default {PIDS}, -1: any")


def read_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return ``linux.resources`` of what was asked for; raise Failure with one line."""
    resources: dict[str, Any] = {}
    if memory := _memory(options.memory, options.memory_swap):
        resources["memory"] = memory
    if reservation := _reservation(options.memory_reservation, memory.get("limit", 0)):
        resources["memory"] = {**memory, "reservation": reservation}
    cpu: dict[str, Any] = {}
    if options.cpus is not None:
        if options.cpu_period or options.cpu_quota:
            raise Failure("--cpus says what --cpu-period and --cpu-quota say: give one of them")
        cpu |= {"period": _PERIOD, "quota": quota_of(options.cpus)}
    elif options.cpu_period or options.cpu_quota:
        cpu |= _share_of(options.cpu_period, options.cpu_quota)
    if shares := natural(options.cpu_shares or "0"):
        cpu["shares"] = max(2, shares)  # the kernel's least
    if options.cpuset_cpus:
        cpu["cpus"] = options.cpuset_cpus
        _check_list("--cpuset-cpus", options.cpuset_cpus, "cpu")
    if options.cpuset_mems:
        cpu["mems"] = options.cpuset_mems
        _check_list("--cpuset-mems", options.cpuset_mems, "node")
    if cpu:
        resources["cpu"] = cpu
    if options.pids_limit is not None:
        resources["pids"] = {"limit": _pids(options.pids_limit)}
    return resources


def read_changes(options: argparse.Namespace) -> dict[str, Any]:
    """Return what of ``linux.resources`` is to change; raise Failure with one line.

    The two limits of memory may each stay as they are, so what they are together is seen later.
    """
    memory: dict[str, int] = {}
    if options.memory is not None and (limit := _memory_limit(options.memory)):
        memory["limit"] = limit
    if options.memory_swap not in (None, "0"):
        memory["swap"] = -1 if options.memory_swap == "-1" else size_of(options.memory_swap)
    options.memory = options.memory_swap = None
    found = read_options(options)
    memory |= found.get("memory", {})
    return {**found, **({"memory": memory} if memory else {})}


def with_defaults(resources: dict[str, Any], cgroups_path: str) -> tuple[dict[str, Any], str]:
    """Add a limit of processes if none was asked for; return a notice where none can be kept."""
    if "pids" in resources:
        return resources, ""
    if not place(cgroups_path, Resources(pids=PIDS)).has("pids"):
        return resources, "no cgroup can be made here: its use of memory and processes has no limit"
    return {**resources, "pids": {"limit": PIDS}}, ""


def quota_of(text: str) -> int:
    """Return microseconds in each 100 ms for docker's ``--cpus 1.5``; Failure names the range."""
    there = os.cpu_count() or 1
    match = re.fullmatch(r"([0-9]{0,5})(?:\.([0-9]{0,9}))?", text)
    if match is None or not (match[1] or match[2]):
        raise Failure(f"--cpus {text}: it is a number such as 1.5")
    billionths = int((match[1] or "0") + (match[2] or "").ljust(9, "0"))
    if not 10_000_000 <= billionths <= there * 10**9:
        raise Failure(f"--cpus {text}: from 0.01 to {there}, there are no more processors")
    return billionths * _PERIOD // 10**9


def _memory(memory: str | None, swap: str | None) -> dict[str, int]:
    limit = 0 if memory is None else _memory_limit(memory)
    if swap is None or swap == "0":
        # docker's default, where there is swap to be limited.
        return (
            {"limit": limit, **({"swap": 2 * limit} if _swap_is_counted() else {})} if limit else {}
        )
    if not limit:
        raise Failure("--memory-swap counts memory and swap: it wants --memory as well")
    if swap == "-1":
        return {"limit": limit, "swap": -1}
    both = size_of(swap)
    if both < limit:
        raise Failure("--memory-swap counts memory and swap: it cannot be less than --memory")
    return {"limit": limit, "swap": both}


def _memory_limit(text: str) -> int:
    limit = size_of(text)
    if limit and limit < _LEAST_MEMORY:
        raise Failure(f"--memory {text}: 6m is the least")
    return limit


def _swap_is_counted() -> bool:
    """Tell whether the kernel limits swap, which a v1 host may have to be booted for."""
    return not os.path.isdir("/sys/fs/cgroup/memory") or os.path.exists(
        "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"
    )


def _pids(text: str) -> int:
    if not re.fullmatch(r"-1|[0-9]{1,7}", text):
        raise Failure(f"--pids-limit {text}: it is a number, -1 for no limit")
    return int(text) or -1


def _reservation(text: str | None, limit: int) -> int:
    size = 0 if text is None else size_of(text)
    if limit and size > limit:
        raise Failure("--memory-reservation cannot be more than --memory")
    return size


def _share_of(period: str | None, quota: str | None) -> dict[str, int]:
    """Return docker's two numbers, checked by the kernel's bounds (cpu.cfs_period_us)."""
    found: dict[str, int] = {}
    if length := natural(period or "0"):
        if not 1000 <= length <= 1_000_000:
            raise Failure(f"--cpu-period {period}: from 1000 to 1000000 microseconds")
        found["period"] = length
    if used := natural(quota or "0"):
        if used < 1000:
            raise Failure(f"--cpu-quota {quota}: 1000 microseconds are the least")
        found = {"period": _PERIOD, **found, "quota": used}
    return found


def _check_list(option: str, text: str, kind: str) -> None:
    """See that there are these processors, or memory nodes; raise Failure."""
    try:
        wanted = parse_list(text)
    except ValueError:
        raise Failure(f"{option} {text}: it is a list such as 0-3,5") from None
    try:
        with open(f"/sys/devices/system/{kind}/online", encoding="ascii") as file:
            there = file.read().strip()
    except FileNotFoundError:
        there = "0"  # a kernel that knows one memory only
    if not wanted <= parse_list(there):
        raise Failure(f"{option} {text}: there are only {there}")
