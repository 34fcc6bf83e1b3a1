"""A process as a keeper is, which times a build of a box for each line that it is sent.

``python -I -S warm.py LAUNCHER BUNDLE``: seconds from the build's begin to its program's execve.
"""

from __future__ import annotations

import os
import sys

sys.path.append(sys.argv[1])

from ptylaunch.lean import stand_in

stand_in()

import json  # noqa: E402 - all of these after it
import time  # noqa: E402
from typing import Any  # noqa: E402

import ptykeep.keeper  # noqa: E402, F401 - what a keeper has loaded
from ptylaunch.cgroup import remove  # noqa: E402
from ptylaunch.container import build, choose_cgroup  # noqa: E402


def start_warm(spec: dict[str, Any], bundle: str) -> float:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    started = time.perf_counter()
    cgroup = choose_cgroup(spec)
    box = build(spec, bundle, stdio=(null, null, null), cgroup=cgroup)
    box.start()
    seconds = time.perf_counter() - started
    _, status = os.waitpid(box.init_pid, 0)
    os.close(null)
    box.close()
    if not remove(cgroup) or status != 0:
        sys.exit(f"true ended with wait status {status}")
    return seconds


def main() -> None:
    bundle = sys.argv[2]
    with open(f"{bundle}/config.json", encoding="utf-8") as file:
        spec: dict[str, Any] = json.load(file)
    while sys.stdin.readline():
        print(start_warm(spec, bundle), flush=True)


main()
