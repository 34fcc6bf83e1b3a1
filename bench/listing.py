"""``ptyd ps`` with a hundred containers, beside an interpreter that does nothing.

One container is real; the others are copies of its files, each locked as by a keeper: by us.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from box import PTYD, Box
from launch import compile_sources, timed
from program import BenchError, bare_python
from table import Row, pairs, times

from ptykeep import lock, state

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTAINERS = 100
TIMES = 10
"""Pairs for one of ``--pairs``: each is short."""
GOAL = "4"


def measure_ps(count: int) -> Iterator[Row]:
    compile_sources()
    # As every start of ours: with the packages that are installed, which -I -S does without.
    started = partial(timed, [sys.executable, "-c", "pass"])
    bare = partial(timed, [*bare_python(), "-c", "pass"])
    compare = partial(pairs, TIMES * count)
    with Box(["sleep", "1000"]) as box, copies(box, CONTAINERS - 1):
        ours = partial(timed, [PTYD, "ps"])
        check(f"{CONTAINERS}")
        what = f"`ptyd ps` with {CONTAINERS} containers, against `python3 -c pass`"
        yield times(what, compare(ours, started), GOAL)
        yield times(what.replace("python3", "python3 -I -S"), compare(ours, bare))
        with stopped(box.pid("ServerPid")), stopped(box.pid("KeeperPid")):
            what = "the same while a server and its keeper are stopped"
            yield times(what, compare(ours, started), GOAL)


def check(wanted: str) -> None:
    """See that as many are listed as there are."""
    done = subprocess.run([PTYD, "ps", "-q"], check=True, capture_output=True, text=True)
    if (found := str(len(done.stdout.split()))) != wanted:
        raise BenchError(f"ptyd ps lists {found} containers, not {wanted}")


@contextlib.contextmanager
def copies(box: Box, count: int) -> Iterator[None]:
    """Make ``count`` containers out of one, which run as far as their files can tell."""
    dirs = state.directories()
    identity: str = box.inspect()["Id"]
    made = [os.urandom(32).hex() for _ in range(count)]
    locks: list[int] = []
    try:
        for number, each in enumerate(made):
            folder = Path(state.container_dir(dirs, each))
            folder.mkdir()
            shutil.copy(f"{state.container_dir(dirs, identity)}/config.json", folder)
            fields = state.read_json(f"{state.container_dir(dirs, identity)}/state.json")
            fields |= {"id": each, "name": f"copy-{number}", "cgroup": None}
            (folder / "state.json").write_text(json.dumps(fields, indent=1))
            locks.append(lock.take(str(folder)))
        yield
    finally:
        for held in locks:
            os.close(held)
        for each in made:
            shutil.rmtree(state.container_dir(dirs, each), ignore_errors=True)


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
