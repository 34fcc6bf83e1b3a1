"""How fast a log is read back, held against cat(1) of the same files."""

from __future__ import annotations

import os
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from box import MOUNTED, PTYD, ptyd
from program import BINARIES, BenchError
from table import MIB, Row, pairs, speeds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIZE = 64
"""MiB of log."""
LIMIT = "96m"
"""More than that, so that nothing of it is dropped."""
TIMES = 5
"""Pairs for one of ``--pairs``: each takes a fraction of a second."""
CHUNK = 1 << 20


def measure_logs(count: int) -> Iterator[Row]:
    options = ("--no-tty", "--log-max", LIMIT, "-v", f"{BINARIES}:{MOUNTED}:ro")
    words = ("-d", "--name", "log", *options, f"{MOUNTED}/flood", str(SIZE * MIB))
    identity = ptyd("run", *words)
    ours = [str(PTYD), "logs", "log"]
    ptyd("logs", "--follow", "--tail", "0", "log")  # until all of it is written down
    folder = Path(os.environ["PTYD_ROOT"], "containers", identity, "sessions/0/journal")
    files = sorted(folder.glob("*.out"))
    whole = b"".join(path.read_bytes() for path in files)
    if len(whole) != SIZE * MIB + 1:
        raise BenchError(f"the journal has {len(whole)} bytes")
    cat = ["cat", *map(str, files)]
    for what, measure in (
        ("from the first byte to the last", partial(read, whole=whole, from_start=False)),
        ("the whole command", partial(read, whole=whole, from_start=True)),
    ):
        values = pairs(TIMES * count, partial(measure, ours), partial(measure, cat))
        yield speeds(f"`ptyd logs` of {SIZE} MiB, {what}, against cat", SIZE, values, "0.5")


def read(command: Sequence[str], *, whole: bytes, from_start: bool) -> float:
    """Return the seconds in which a command's output came through a pipe, byte for byte."""
    wanted = memoryview(whole)
    at = 0
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        fd = process.stdout.fileno()
        while data := os.read(fd, CHUNK):
            if not at and not from_start:
                started = time.perf_counter()
            if wanted[at : at + len(data)] != data:
                raise BenchError(f"{command[0]}: other bytes than the journal's at {at}")
            at += len(data)
        seconds = time.perf_counter() - started
    if at != len(whole) or process.returncode != 0:
        raise BenchError(f"{command[0]}: {at} bytes of {len(whole)}, status {process.returncode}")
    return seconds
