"""Turns limits into writes of files in a cgroup: v1's names and v2's mean the same by other words.

https://docs.kernel.org/admin-guide/cgroup-v1/ and cgroup-v2.html; conversions as runc's and crun's.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from ptylaunch.errors import LaunchFailed
from ptylaunch.hierarchy import find_hierarchies, read_or, read_text, write_text
from ptylaunch.placement import Cgroup, asked
from ptylaunch.resources import parse_list

if TYPE_CHECKING:
    from ptylaunch.plan import Resources

STAGE: Final = "cgroup"
_PERIOD: Final = 100_000
"""Microseconds: the kernel's own default."""


_SWAP_FILES: Final = ("/memory.memsw.limit_in_bytes", "/memory.swap.max")


class Write(NamedTuple):
    """``value`` goes into ``file`` of the folder that serves ``controller``."""

    controller: str
    file: str
    value: str


def update(cgroup: Cgroup, resources: Resources) -> None:
    """Set the limits that are asked for; LaunchFailed("cgroup", …), and all are as before."""
    demand(cgroup, resources)
    if not cgroup.v1_folder("memory") and (
        resources.swappiness is not None or resources.no_oom_killer
    ):
        detail = "cgroups v2 have neither memory.swappiness nor memory.disableOOMKiller"
        raise LaunchFailed(STAGE, errno.ENOTSUP, detail)
    if not cgroup.v1_folder("cpu") and (resources.rt_runtime or resources.rt_period):
        raise LaunchFailed(STAGE, errno.ENOTSUP, "cgroups v2 have no realtime processor time")
    undo: list[tuple[str, str]] = []
    try:
        if cgroup.has("cpuset"):
            _check_lists(cgroup, resources)
        if resources.check_first and resources.memory is not None:
            _check_memory(cgroup, resources.memory)
        writes = [*_resolve(cgroup, resources), *_resolve_seldom(cgroup, resources)]
        for path, value in _in_order(writes):
            if path.endswith(_SWAP_FILES) and not os.path.exists(path) and not has_swap():
                continue  # the kernel does not count what is not there
            old = read_text(path).strip()
            _set(path, value)
            undo.append((path, old))
    except (OSError, LaunchFailed) as error:
        for path, old in reversed(undo):
            try:
                write_text(path, old)
            except OSError:
                continue  # it was another's turn meanwhile; the first failure is what is told
        if isinstance(error, LaunchFailed):
            raise
        name = os.path.basename(error.filename or "")
        raise LaunchFailed(STAGE, error.errno or errno.EIO, name) from error


def writes_v1(limits: Resources) -> list[Write]:
    """Return what v1's controllers want to be told."""
    numbers = (
        ("memory", "memory.limit_in_bytes", limits.memory),
        ("memory", "memory.memsw.limit_in_bytes", limits.swap),
        ("memory", "memory.soft_limit_in_bytes", limits.reservation),
        ("memory", "memory.swappiness", limits.swappiness),
        ("memory", "memory.oom_control", 1 if limits.no_oom_killer else None),
        ("cpu", "cpu.shares", limits.shares),
        ("cpu", "cpu.cfs_period_us", limits.period),
        ("cpu", "cpu.cfs_quota_us", limits.quota),
        ("cpu", "cpu.cfs_burst_us", limits.burst),
        ("cpu", "cpu.idle", limits.idle),
        ("cpu", "cpu.rt_period_us", limits.rt_period),
        ("cpu", "cpu.rt_runtime_us", limits.rt_runtime),
    )
    writes = [Write(name, file, str(value)) for name, file, value in numbers if value is not None]
    return writes + _same_in_both(limits)


def writes_v2(limits: Resources) -> list[Write]:
    """Return what v2's controllers want to be told."""
    writes: list[Write] = []
    if limits.memory is not None:
        writes.append(Write("memory", "memory.max", _or_max(limits.memory)))
    if limits.swap is not None:
        only_swap = -1 if limits.swap == -1 else limits.swap - (limits.memory or 0)
        writes.append(Write("memory", "memory.swap.max", _or_max(only_swap)))
    if limits.reservation is not None:
        writes.append(Write("memory", "memory.low", _or_max(limits.reservation)))
    if limits.shares is not None:
        writes.append(Write("cpu", "cpu.weight", str(weight_of(limits.shares))))
    if limits.quota is not None or limits.period is not None:
        quota = _or_max(-1 if limits.quota is None else limits.quota)
        writes.append(Write("cpu", "cpu.max", f"{quota} {limits.period or _PERIOD}"))
    if limits.burst is not None:
        writes.append(Write("cpu", "cpu.max.burst", str(limits.burst)))
    if limits.idle is not None:
        writes.append(Write("cpu", "cpu.idle", str(limits.idle)))
    return writes + _same_in_both(limits)


def has_swap() -> bool:
    """Tell whether this host swaps at all (proc(5): one line a swap area, after a heading)."""
    return len(read_or("/proc/swaps").splitlines()) > 1


def weight_of(shares: int) -> int:
    """Turn v1's shares (2 to 262144) into v2's weight (1 to 10000), default into default.

    The curve of the runtimes since 2025 (opencontainers/cgroups pull request 20): 2, 1024 and
    262144 become 1, 100 and 10000.
    """
    import math  # few containers have shares

    power = math.log2(min(max(shares, 2), 262144))
    return min(10000, math.ceil(10 ** ((power * power + 125 * power) / 612 - 7 / 34)))


def _same_in_both(limits: Resources) -> list[Write]:
    writes: list[Write] = []
    if limits.cpus:
        writes.append(Write("cpuset", "cpuset.cpus", limits.cpus))
    if limits.mems:
        writes.append(Write("cpuset", "cpuset.mems", limits.mems))
    if limits.pids is not None:
        writes.append(Write("pids", "pids.max", _or_max(limits.pids)))
    return writes


def _or_max(value: int) -> str:
    return "max" if value < 0 else str(value)


def _resolve(cgroup: Cgroup, resources: Resources) -> list[tuple[str, str]]:
    """Return paths and values in an order that the kernel takes."""
    found = [
        pair
        for write in writes_v1(resources)
        if (folder := cgroup.v1_folder(write.controller))
        for pair in _write_v1(folder, cgroup.inner, write)
    ] + [
        (f"{cgroup.unified}/{write.file}", write.value)
        for write in writes_v2(resources)
        if not cgroup.v1_folder(write.controller)
    ]
    folder = cgroup.v1_folder("memory")
    both = read_or(f"{folder}/memory.memsw.limit_in_bytes") if folder else ""
    if both and resources.memory == -1 and resources.swap is None:
        # No limit of memory alone is none of memory and swap together: so runc and docker.
        found.insert(0, (f"{folder}/memory.memsw.limit_in_bytes", "-1"))
    if both and resources.memory is not None and resources.memory > int(both):
        # The limit of memory alone is never above that of memory and swap together.
        found.sort(key=lambda item: not item[0].endswith("memory.memsw.limit_in_bytes"))
    return found


def _in_order(writes: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Put a shorter v1 period behind its quota: the kernel looks at the quota that is there.

    What is left of it in a shorter period may be more than the cgroup above may have.
    """
    for path, value in writes:
        quota = path.replace("cpu.cfs_period_us", "cpu.cfs_quota_us")
        if path != quota and int(value) < int(read_or(path) or 0):
            writes.sort(key=lambda item: item[0] == path and any(q == quota for q, _ in writes))
            break
    return writes


def _resolve_seldom(cgroup: Cgroup, resources: Resources) -> list[tuple[str, str]]:
    """Return the same of the limits that few ask for; LaunchFailed where nothing here keeps one."""
    found: list[tuple[str, str]] = []
    for each in resources.seldom:
        folder = cgroup.v1_folder(each.controller)
        lines = each.v1 if folder else each.v2
        folder = folder or cgroup.unified
        there = [line for line in lines if os.path.exists(f"{folder}/{line[0]}")]
        if there:
            found.append((f"{folder}/{there[0][0]}", there[0][1]))
        elif not each.optional:
            names = " or ".join(name for name, _ in lines or each.v1 or each.v2)
            detail = f"invalid configuration: {names} is not among the files of {folder}"
            raise LaunchFailed(STAGE, errno.ENOTSUP, detail)
    return found


def _check_memory(cgroup: Cgroup, limit: int) -> None:
    """Refuse what v2 would take and then kill for (memory.checkBeforeUpdate)."""
    folder, name = cgroup.v1_folder("memory"), "memory.usage_in_bytes"
    if not folder:
        folder, name = cgroup.unified, "memory.current"
    used = int(read_or(f"{folder}/{name}") or 0)
    if 0 <= limit < used:
        detail = f"memory.limit {limit} is below the {used} bytes that are in use"
        raise LaunchFailed(STAGE, errno.EBUSY, detail)


def _write_v1(folder: str, inner: str, write: Write) -> list[tuple[str, str]]:
    """Return the paths and values of one write: a v1 cpuset has to hold those below it."""
    path = f"{folder}/{write.file}"
    if write.controller != "cpuset" or not inner:
        return [(path, write.value)]
    both = parse_list(read_text(path)) | parse_list(write.value)
    wide = ",".join(str(number) for number in sorted(both))
    return [(path, wide), (f"{folder}/{inner}/{write.file}", write.value), (path, write.value)]


def _set(path: str, value: str) -> None:
    try:
        write_text(path, value)
    except OSError as error:
        error.filename = path
        raise


def demand(cgroup: Cgroup, resources: Resources) -> None:
    """Refuse a limit that nobody would keep, and say what would change that."""
    missing = sorted(name for name in asked(resources) if not cgroup.has(name))
    if not missing:
        return
    names = " and ".join(missing)
    mounted = find_hierarchies()
    served = {name for each in mounted for name in each.controllers}
    for each in mounted:
        served |= set(read_or(f"{each.folder}/cgroup.controllers").split())
    if not served.issuperset(missing):
        raise LaunchFailed(STAGE, errno.ENOENT, f"no limit by {names}: not a controller here")
    if os.geteuid() != 0:
        hint = "wants a delegated cgroup, as systemd-run --user --scope -p Delegate=yes ptyd run …"
        raise LaunchFailed(STAGE, errno.EACCES, f"a limit by {names} {hint} gives")
    hint = "/sys/fs/cgroup is read-only, or there are processes in the cgroup above"
    raise LaunchFailed(STAGE, errno.EBUSY, f"no limit by {names}: {hint}")


def _check_lists(cgroup: Cgroup, resources: Resources) -> None:
    """Refuse processors that are not there: v2 would take the list and not keep it."""
    parent = os.path.dirname(cgroup.v1_folder("cpuset") or cgroup.unified)
    for name, text in (("cpus", resources.cpus), ("mems", resources.mems)):
        there = read_or(f"{parent}/cpuset.effective_{name}")
        there = there or read_or(f"{parent}/cpuset.{name}.effective")
        if text and there and not parse_list(text) <= parse_list(there):
            raise LaunchFailed(STAGE, errno.EINVAL, f"{name} {text}: there are only {there}")
