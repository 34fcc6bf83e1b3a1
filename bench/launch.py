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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from box import PTYD
from program import BenchError
from table import Row, pairs, times

from ptylaunch.cgroup import remove
from ptylaunch.container import build, choose_cgroup

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
        spec = make_bundle(bundle)
        compare = partial(pairs, TIMES * count)
        ours = partial(timed, [PTYLAUNCH, "run", "-b", bundle, "bench"])
        runc = partial(timed, [find("runc"), "run", "-b", bundle, "bench"])
        bwrap = partial(timed, bwrap_command(bundle))
        warm = partial(start_warm, spec, bundle)
        yield times("`ptylaunch run` of true, against runc", compare(ours, runc), "1.5")
        yield times("the keeper's fork to exec, against `runc run`", compare(warm, runc), "0.3")
        yield times("`ptylaunch run` of true, against bwrap", compare(ours, bwrap))
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


def make_bundle(bundle: Path) -> dict[str, Any]:
    """Make a bundle that runs ``true``; return its config.json."""
    root = bundle / "rootfs"
    for name in ("bin", "dev", "etc", "proc", "sys"):
        (root / name).mkdir(parents=True)
    shutil.copy(find("busybox"), root / "bin")
    (root / "bin/true").symlink_to("busybox")
    subprocess.run([PTYLAUNCH, "spec", "-b", bundle], check=True)
    config = bundle / "config.json"
    spec: dict[str, Any] = json.loads(config.read_text())
    spec["process"]["args"] = ["true"]
    config.write_text(json.dumps(spec))
    return spec


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


def start_warm(spec: dict[str, Any], bundle: Path) -> float:
    """Return the seconds from a build's begin to its program's execve, in a process like a keeper.

    It has all modules loaded and no threads.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    started = time.perf_counter()
    cgroup = choose_cgroup(spec)
    box = build(spec, str(bundle), stdio=(null, null, null), cgroup=cgroup)
    box.start()
    seconds = time.perf_counter() - started
    _, status = os.waitpid(box.init_pid, 0)
    os.close(null)
    box.close()
    if not remove(cgroup) or status != 0:
        raise BenchError(f"true ended with wait status {status}")
    return seconds
