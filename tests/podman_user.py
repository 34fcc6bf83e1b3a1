"""Somebody who uses podman with ``ptylaunch`` for its runtime: a storage, a root, the command.

podman looks a runtime's abilities up by the name that its containers.conf gives it.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from leaks import checked
from ptycli.skeleton import build_skeleton, host_trees

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOURCES = Path(__file__).parent.parent / "launcher"
_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
tmp_dir = "{folder}/tmp"
runtime = "ptylaunch"
runtime_supports_json = ["ptylaunch"]
runtime_supports_nocgroup = ["ptylaunch"]
[engine.runtimes]
ptylaunch = ["{folder}/ptylaunch"]
"""


class Podman(NamedTuple):
    """``folder`` holds everything: storage, root file system, runtime."""

    folder: Path

    def run(self, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run one podman command to its end."""
        return subprocess.run(
            [*self.command, *words],
            **{"capture_output": True, "stdin": subprocess.DEVNULL, **more},
            env=self.env,
            text=True,
            timeout=60,
            check=False,
        )

    def do(self, *words: str) -> str:
        """Run one that must go well; return what it printed."""
        done = self.run(*words)

        assert done.returncode == 0, done.stderr
        return done.stdout

    def box(self, *words: str) -> list[str]:
        """Return the words of ``run`` up to the program: options, then our root."""
        trees = [f"--volume={tree}:{tree}:ro" for tree in host_trees()]
        if not any(word.startswith("--network") for word in words):
            trees.append("--network=none")
        return ["run", *trees, *words, "--rootfs", f"{self.folder}/rootfs"]

    @property
    def command(self) -> list[str]:
        storage = ["--root", f"{self.folder}/storage", "--runroot", f"{self.folder}/run"]
        return ["podman", *storage, "--storage-driver=vfs", "--log-level=error"]

    @property
    def env(self) -> dict[str, str]:
        path = "/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "CONTAINERS_CONF": f"{self.folder}/conf", "HOME": str(self.folder)}


@contextlib.contextmanager
def podman() -> Iterator[Podman]:
    """Set one up for root; fail if a test leaves a container, a process, a mount or a cgroup."""
    assert shutil.which("podman"), "podman is not installed"
    with tempfile.TemporaryDirectory(prefix="podman") as name, checked(name):
        folder = Path(name)
        folder.chmod(0o755)  # the root of a box with other ids is somebody else outside
        build_skeleton(str(folder / "rootfs"), etc={"passwd": "root:x:0:0::/root:/bin/sh\n"})
        (folder / "conf").write_text(_CONF.format(folder=folder))
        runtime = folder / "ptylaunch"
        command = f"PYTHONPATH={_SOURCES} exec {sys.executable} -m ptylaunch"
        runtime.write_text(f'#!/bin/sh\n{command} --root {folder}/state "$@"\n')
        runtime.chmod(0o755)
        made = Podman(folder)
        try:
            yield made
            left = made.do("ps", "--all", "--quiet")
        finally:
            made.run("rm", "--force", "--all", "--time=0")

        assert left == "", "containers were left"
        assert not list((folder / "state").glob("*")), "the runtime remembers a container"
