"""Times that a person waits for: a start, a server that died, Ctrl-C under a flood."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from box import Box, ptyd
from program import PATIENCE, BenchError, bare_python
from viewer import Viewer

FLOODED = 3
"""Seconds of flood before the key is typed: long enough for every buffer to be full."""
MARKER = b"bench-marker"
SIZE = {"rows": 24, "cols": 80}


def start_box() -> float:
    started = time.perf_counter()
    ptyd("run", "--rm", "true")
    return time.perf_counter() - started


def start_python() -> float:
    started = time.perf_counter()
    subprocess.run([*bare_python(), "-c", ""], check=True)
    return time.perf_counter() - started


def recover(box: Box) -> float:
    """Return the seconds from ``kill -9`` of the server to the next attach that is answered."""
    server = box.pid("ServerPid")
    started = time.perf_counter()
    os.kill(server, signal.SIGKILL)
    while time.perf_counter() - started < PATIENCE:
        try:
            # The listening socket is the keeper's: a connection waits in it for the next server.
            # One that the old server had accepted breaks, and is made again.
            with Viewer(box.link, timeout=PATIENCE):
                return time.perf_counter() - started
        except (OSError, BenchError):
            continue
    raise BenchError("no server answered again")


def interrupt(rate: int) -> float:
    """Return the seconds from Ctrl-C to its effect for a client that reads ``rate`` bytes/s."""
    # The marker is made from two words, so that an echo of the script is not taken for it.
    script = "trap 'printf bench-; printf marker; exec sleep 100' INT; stty -echo; yes"
    with Box(["sh", "-c", script]) as box, Viewer(box.link, SIZE) as viewer:
        viewer.read_until(MARKER, seconds=FLOODED, rate=rate)
        started = time.perf_counter()
        viewer.type(b"\x03")
        if not viewer.read_until(MARKER, seconds=PATIENCE, rate=rate):
            raise BenchError(f"Ctrl-C had no effect at {rate} bytes/s")
        return time.perf_counter() - started
