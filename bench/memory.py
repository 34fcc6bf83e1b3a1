"""Memory of the processes that wait, as the kernel shares it out (proc(5), Pss)."""

from __future__ import annotations

import subprocess
from pathlib import Path

from program import BenchError, bare_python


def pss(pid: int) -> int:
    """Return the proportional set size of a process, in bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"no Pss of process {pid}")


def pss_of_python() -> int:
    """Return that of an interpreter that does nothing."""
    command = [*bare_python(), "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as idle:
        assert idle.stdout is not None
        idle.stdout.readline()
        size = pss(idle.pid)
        idle.communicate(b"\n")
    return size
