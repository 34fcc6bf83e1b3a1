"""Who is in a box, and what the box has used: by its cgroup, or without one by /proc."""

from __future__ import annotations

import os
import time
from typing import Any, Final, NamedTuple

from ptylaunch.freezer import processes
from ptylaunch.hierarchy import fields_of, read_or
from ptylaunch.placement import Cgroup
from ptylaunch.usage import stats

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Sample(NamedTuple):
    """What was used at a moment; None where nobody counts. Bytes, nanoseconds, processes."""

    moment: float
    """Seconds of the monotonic clock."""
    cpu: int | None
    memory: int | None
    memory_limit: int | None
    pids: int | None
    network: tuple[int, int] | None
    """Received and sent."""
    block: tuple[int, int] | None
    """Read and written."""


def population(fields: dict[str, Any]) -> set[int]:
    """Return the pids of all processes in a box, from the fields of its state."""
    cgroup = Cgroup.from_json(fields.get("cgroup"))
    if any(map(os.path.isdir, cgroup.folders)):
        return set(processes(cgroup))
    found: set[int] = set()
    sessions: dict[str, dict[str, Any]] = fields.get("sessions", {})
    begun = [fields.get("init_pid")]
    begun += [each.get("pid") for each in sessions.values() if "finished" not in each]
    left = [pid for pid in begun if pid]
    while left:
        pid = left.pop()
        if pid not in found and os.path.isdir(f"/proc/{pid}"):
            found.add(pid)
            left += _children(pid)
    return found


def take_sample(fields: dict[str, Any], *, own_network: bool) -> Sample:
    """Measure a box that runs; without a network of its own the host's is not counted as its."""
    pids = population(fields)
    cgroup = Cgroup.from_json(fields.get("cgroup"))
    usage = stats(cgroup)
    cpu, memory = usage.cpu, usage.memory
    if memory is not None:
        memory = max(0, memory - _cache(cgroup))
    if cpu is None or memory is None:
        cpu_of_all, memory_of_all = _sum_up(pids)
        cpu = cpu_of_all if cpu is None else cpu
        memory = memory_of_all if memory is None else memory
    network = _traffic(fields.get("init_pid") or 0) if own_network else (0, 0)
    count = len(pids) if usage.pids is None else usage.pids
    return Sample(
        time.monotonic(), cpu, memory, usage.memory_limit, count, network, _transfer(pids)
    )


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, read_or(f"/proc/{pid}/task/{thread}/children").split())
    except OSError:
        pass  # it has just ended
    return found


def _cache(cgroup: Cgroup) -> int:
    """Return the bytes of files that the kernel could forget: docker does not count them."""
    if folder := cgroup.v1_folder("memory"):
        return fields_of(read_or(f"{folder}/memory.stat")).get("total_inactive_file", 0)
    return fields_of(read_or(f"{cgroup.unified}/memory.stat")).get("inactive_file", 0)


def _sum_up(pids: set[int]) -> tuple[int, int]:
    """Return nanoseconds and bytes of all; what two share is counted twice (proc(5), stat)."""
    cpu = memory = 0
    for pid in pids:
        words = read_or(f"/proc/{pid}/stat").rpartition(")")[2].split()
        if len(words) > 21:
            cpu += sum(map(int, words[11:15])) * 10**9 // _TICKS
            memory += int(words[21]) * _PAGE
    return cpu, memory


def _traffic(pid: int) -> tuple[int, int] | None:
    """Return the bytes that came and went, loopback's left out (proc(5), net/dev)."""
    received = sent = 0
    lines = read_or(f"/proc/{pid}/net/dev").splitlines()[2:]
    for line in lines:
        name, _, rest = line.partition(":")
        words = rest.split()
        if name.strip() != "lo" and len(words) > 8:
            received += int(words[0])
            sent += int(words[8])
    return (received, sent) if lines else None


def _transfer(pids: set[int]) -> tuple[int, int] | None:
    """Return the bytes that those who live have read from disks and written to them."""
    texts = [text for pid in pids if (text := read_or(f"/proc/{pid}/io"))]
    if not texts:
        return None  # not ours to see
    counted = [fields_of(text.replace(":", "")) for text in texts]
    read = sum(each.get("read_bytes", 0) for each in counted)
    return read, sum(each.get("write_bytes", 0) for each in counted)
