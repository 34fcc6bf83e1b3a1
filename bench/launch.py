"""Starts of ``true``, beside runc, bwrap and podman: the launcher alone, and all of ``ptyd run``.

All get the same root folder, with a static busybox in it, and runc the same config.json as
ptylaunch.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from box import PTYD
from program import BenchError
from table import Row, pairs, times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TIMES = 7
"""Pairs for one of ``--pairs``: each is short, and the machine is never quite idle."""
PTYLAUNCH = PTYD.with_name("ptylaunch")
SOURCES = ("client", "launcher", "server")
PODMAN_LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
"""Without them podman raises its own, for which a root without CAP_SYS_RESOURCE has no right."""


def measure_launch(count: int) -> Iterator[Row]:
    compile_sources()
    with tempfile.TemporaryDirectory(prefix="ptyd-bench-launch") as folder:
        bundle = Path(folder)
        make_bundle(bundle)
        compare = partial(pairs, TIMES * count)
        ours = partial(timed, [PTYLAUNCH, "run", "-b", bundle, "bench"])
        runc = partial(timed, [find("runc"), "run", "-b", bundle, "bench"])
        bwrap = partial(timed, bwrap_command(bundle))
        yield times("`ptylaunch run` of true, against runc", compare(ours, runc), "1.5")
        yield times("`ptylaunch run` of true, against bwrap", compare(ours, bwrap))
        with warm_keeper(bundle) as warm:
            yield times("the keeper's fork to exec, against `runc run`", compare(warm, runc), "0.3")
            yield times("the keeper's fork to exec, against bwrap", compare(warm, bwrap))
        yield from measure_cold(bundle / "rootfs", compare)


def measure_cold(
    root: Path,
    compare: Callable[[Callable[[], float], Callable[[], float]], list[tuple[float, float]]],
) -> Iterator[Row]:
    """Compare ``ptyd run --rm true`` with podman, both without a network and both with theirs."""
    podman = shutil.which("podman")
    if podman is None:
        print("bench: launch: podman is not installed", file=sys.stderr)
        return
    for what, network in (("no network", ("--network", "none")), ("a network", ())):
        ours = partial(timed, [PTYD, "run", "--rm", *network, "--rootfs", root, "true"])
        line = [podman, "run", "--rm", *PODMAN_LIMITS, *network, "--rootfs", root, "true"]
        row = f"`ptyd run --rm --rootfs DIR true` with {what}, against podman"
        yield times(row, compare(ours, partial(timed, line)), "1.0")


def compile_sources() -> None:
    """Compile what is measured to byte code, as pip does with what it installs."""
    for name in SOURCES:
        compileall.compile_dir(Path(__file__).parent.parent / name, quiet=1)


def make_bundle(bundle: Path) -> None:
    """Make a bundle that runs ``true``."""
    root = bundle / "rootfs"
    for name in ("bin", "dev", "etc", "proc", "sys"):
        (root / name).mkdir(parents=True)
    shutil.copy(find("busybox"), root / "bin")
    (root / "bin/true").symlink_to("busybox")
    subprocess.run([PTYLAUNCH, "spec", "-b", bundle], check=True)
    config = bundle / "config.json"
    spec: dict[str, Any] = json.loads(config.read_text())
    spec["process"] |= {"args": ["true"], "terminal": False}
    config.write_text(json.dumps(spec))


def bwrap_command(bundle: Path) -> list[str | Path]:
    root: list[str | Path] = ["--bind", bundle / "rootfs", "/", "--proc", "/proc", "--dev", "/dev"]
    return [find("bwrap"), "--unshare-all", "--die-with-parent", *root, "true"]


def find(name: str) -> str:
    """Return the path of a program; runc is where an ordinary user's PATH does not lead."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if path is None:
        raise BenchError(f"{name} is not installed")
    return path


def timed(command: Sequence[str | Path]) -> float:
    """Return the seconds that a command takes from its fork to its end."""
    started = time.perf_counter()
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise BenchError(f"{command[0]}: status {done.returncode}: {done.stderr.strip()}")
    return seconds


@contextmanager
def warm_keeper(bundle: Path) -> Iterator[Callable[[], float]]:
    """Run a process like a keeper; what is yielded has it start a box and returns the seconds."""
    here = Path(__file__).parent
    command = [sys.executable, "-I", "-S", here / "warm.py", here.parent / "launcher", bundle]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answers = process.stdin, process.stdout

        def start() -> float:
            asked.write("\n")
            answer = answers.readline()
            if not answer:
                raise BenchError(f"bench/warm.py ended with status {process.wait()}")
            return float(answer)

        yield start
        asked.close()
