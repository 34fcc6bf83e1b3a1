"""What a box's cgroup has used so far, and whether it met its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptylaunch.hierarchy import fields_of, read_or

if TYPE_CHECKING:
    from ptylaunch.placement import Cgroup

_NO_LIMIT: Final = 1 << 62
"""Bytes: v1 says "none" as the largest number of whole pages."""


class Usage(NamedTuple):
    """Memory in bytes, processor time in nanoseconds; None where nobody counts."""

    memory: int | None = None
    memory_peak: int | None = None
    memory_limit: int | None = None
    """None: there is none, too."""
    oom_kills: int = 0
    """Processes that were killed because memory, or its limit, was used up."""
    cpu: int | None = None
    cpu_user: int | None = None
    cpu_system: int | None = None
    periods: int = 0
    """Periods of the quota in which the box ran; ``throttled`` of them it had to wait."""
    throttled: int = 0
    throttled_time: int = 0
    pids: int | None = None
    pids_limit: int | None = None


def stats(cgroup: Cgroup) -> Usage:
    """Read everything once; a cgroup that is gone or was never made has used nothing known."""
    usage = Usage(oom_kills=oom_kills(cgroup))
    usage = _add_memory(cgroup, usage)
    usage = _add_cpu(cgroup, usage)
    if folder := cgroup.v1_folder("pids") or (cgroup.unified if cgroup.has("pids") else ""):
        usage = usage._replace(
            pids=_number(f"{folder}/pids.current"), pids_limit=_number(f"{folder}/pids.max")
        )
    return usage


def event_of(container: str, usage: Usage) -> dict[str, Any]:
    """Return what ``events --stats`` prints as JSON, in runc's words; 0 for what nobody counts."""
    return {
        "type": "stats",
        "id": container,
        "data": {
            "cpu": {
                "usage": {
                    "total": usage.cpu or 0,
                    "kernel": usage.cpu_system or 0,
                    "user": usage.cpu_user or 0,
                },
                "throttling": {
                    "periods": usage.periods,
                    "throttledPeriods": usage.throttled,
                    "throttledTime": usage.throttled_time,
                },
            },
            "memory": {
                "usage": {
                    "limit": usage.memory_limit or (1 << 64) - 1,
                    "usage": usage.memory or 0,
                    "max": usage.memory_peak or 0,
                },
                "oomKills": usage.oom_kills,
            },
            "pids": {"current": usage.pids or 0, "limit": usage.pids_limit or 0},
        },
    }


def oom_kills(cgroup: Cgroup) -> int:
    """Return how many processes the kernel has killed for want of memory."""
    if folder := cgroup.v1_folder("memory"):
        # v1 counts them where the process was, whichever limit above it was met.
        rooms = {folder, f"{folder}/{cgroup.inner}".rstrip("/")}
        texts = [read_or(f"{room}/memory.oom_control") for room in rooms]
    else:
        texts = [read_or(f"{cgroup.unified}/memory.events")] if cgroup.unified else []
    return sum(fields_of(text).get("oom_kill", 0) for text in texts)


def _add_memory(cgroup: Cgroup, usage: Usage) -> Usage:
    if folder := cgroup.v1_folder("memory"):
        names = ("usage_in_bytes", "max_usage_in_bytes", "limit_in_bytes")
    elif cgroup.has("memory"):
        folder, names = cgroup.unified, ("current", "peak", "max")
    else:
        return usage
    now, peak, limit = (_number(f"{folder}/memory.{name}") for name in names)
    return usage._replace(memory=now, memory_peak=peak, memory_limit=limit)


def _add_cpu(cgroup: Cgroup, usage: Usage) -> Usage:
    # v2 counts time in every cgroup, whatever it serves; v1 quotas in one controller and time in
    # another.
    unified = fields_of(read_or(f"{cgroup.unified}/cpu.stat")) if cgroup.unified else {}
    if folder := cgroup.v1_folder("cpu"):
        fields = fields_of(read_or(f"{folder}/cpu.stat"))
        waited = fields.get("throttled_time", 0)
    else:
        fields, waited = unified, unified.get("throttled_usec", 0) * 1000
    usage = usage._replace(
        periods=fields.get("nr_periods", 0),
        throttled=fields.get("nr_throttled", 0),
        throttled_time=waited,
    )
    if folder := cgroup.v1_folder("cpuacct"):
        parts = [_number(f"{folder}/cpuacct.usage{part}") for part in ("", "_user", "_sys")]
    else:
        names = ("usage_usec", "user_usec", "system_usec")
        parts = [unified[name] * 1000 if name in unified else None for name in names]
    return usage._replace(cpu=parts[0], cpu_user=parts[1], cpu_system=parts[2])


def _number(path: str) -> int | None:
    text = read_or(path)
    return int(text) if text.isdecimal() and int(text) < _NO_LIMIT else None
