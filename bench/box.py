"""One box of the real ``ptyd``, driven by its command line as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from program import BINARIES, PATIENCE, BenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

PTYD = Path(sys.executable).parent / "ptyd"
MOUNTED = "/opt/bench"
"""Where a box sees the C programs."""


def ptyd(*arguments: str) -> str:
    """Run one command; return what it printed."""
    command = [str(PTYD), *arguments]
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()}")
    output: str = done.stdout
    return output.strip()


class Box:
    """A container that exists from ``__init__`` to the end of ``with``."""

    def __init__(self, command: Sequence[str]) -> None:
        self.name = f"bench-{os.getpid()}-{os.urandom(3).hex()}"
        listeners = ("--listen", "127.0.0.1:0", "--raw", "127.0.0.1:0")
        volume = ("-v", f"{BINARIES}:{MOUNTED}:ro")
        ptyd("run", "-d", "--name", self.name, *listeners, *volume, "--", *command)
        self._link = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        ptyd("rm", "-f", self.name)

    def inspect(self) -> dict[str, Any]:
        """Return the object of ``ptyd inspect``, which as docker's may come in a list."""
        found: Any = json.loads(ptyd("inspect", self.name))
        entry: dict[str, Any] = found[0] if isinstance(found, list) else found
        return entry

    @property
    def journal(self) -> Path:
        """Where the journal of its session 0 is; ``run.py`` has set the root."""
        identity: str = self.inspect()["Id"]
        return Path(os.environ["PTYD_ROOT"], "containers", identity, "sessions/0/journal")

    @property
    def init_pid(self) -> int:
        """Pid 1 of the box, as the host counts."""
        folder = Path(os.environ["PTYD_ROOT"], "containers", self.inspect()["Id"])
        state: dict[str, Any] = json.loads((folder / "state.json").read_text())
        return int(state["init_pid"])

    def pid(self, of: str) -> int:
        """Return ``KeeperPid`` or ``ServerPid``; the server's is not known while it starts."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if pid := self.inspect()[of]:
                return int(pid)
        raise BenchError(f"{self.name} has no {of}")

    def port(self, dialect: str) -> int:
        for listener in self.inspect()["Listeners"]:
            if listener["dialect"] == dialect:
                return int(listener["port"])
        raise BenchError(f"{self.name} has no listener for {dialect}")

    @property
    def link(self) -> str:
        """A link that may type; asked for once."""
        self._link = self._link or ptyd("share", self.name, "--control").splitlines()[-1]
        return self._link
