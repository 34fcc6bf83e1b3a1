"""The C programs of the benchmarks: compiled, started, and listened to."""

from __future__ import annotations

import json
import os
import select
import subprocess
from pathlib import Path
from typing import Any, NamedTuple, Self

HERE = Path(__file__).parent
BINARIES = HERE / "bin"
NAMES = ("ceiling", "crowd", "drain", "flood", "paint", "pinger", "typist")
PATIENCE = 120
"""Seconds that one measurement may take."""


class BenchError(Exception):
    """A measurement that cannot be believed: bytes lost, a program that failed."""


def build() -> None:
    """Compile what is older than its sources."""
    BINARIES.mkdir(exist_ok=True)
    headers = [path.stat().st_mtime for path in HERE.glob("*.h")]
    for name in NAMES:
        source, binary = HERE / f"{name}.c", BINARIES / name
        if binary.exists() and binary.stat().st_mtime > max(source.stat().st_mtime, *headers):
            continue
        flags = ["-O2", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(["cc", *flags, "-o", binary, source, "-lutil"], check=True)


class Drained(NamedTuple):
    """What the receivers saw; seconds from the first byte of any to the last of all."""

    seconds: float
    bytes: int


class Drain:
    """Receivers, attached once this is made; ``result`` waits for their last byte."""

    def __init__(
        self,
        *,
        port: int,
        viewers: int,
        size: int,
        token: str | None = None,
        stalled: int = 0,
        rate: int = 0,
        await_bytes: bool = False,
    ) -> None:
        """Attach ``viewers``, each to get ``size`` bytes; with a token they speak ptyd.v1."""
        options = ["-s", str(stalled), "-r", str(rate)]
        options += ["-w"] if await_bytes else []
        options += ["-p", "-t", token] if token is not None else []
        self._process = subprocess.Popen(
            [BINARIES / "drain", *options, "127.0.0.1", str(port), str(viewers), str(size)],
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def await_ready(self) -> None:
        if self._line() != "ready":
            raise BenchError("the receivers could not attach")

    def is_done(self, *, within: float) -> bool:
        """Wait so many seconds at most; tell whether every byte has come, or never will."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], within)[0])

    def result(self) -> Drained:
        line = self._line()
        if not line or self._process.wait(PATIENCE) != 0:
            raise BenchError(f"the receivers did not get every byte: {line or 'no result'}")
        result: dict[str, Any] = json.loads(line)
        return Drained(result["seconds"], result["bytes"])

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def run_ceiling(*, viewers: int, size: int, journal: str = "") -> Drained:
    """Let the ceiling bring ``size`` bytes to each of ``viewers``.

    ``journal``: the file in which it keeps them.
    """
    port = free_port()
    ceiling_program, flood = str(BINARIES / "ceiling"), str(BINARIES / "flood")
    options = ["-j", journal] if journal else []
    command = [ceiling_program, *options, str(port), str(viewers), flood, str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ceiling:
        try:
            assert ceiling.stdout is not None
            if ceiling.stdout.readline().strip() != "listening":
                raise BenchError("the ceiling does not listen")
            # It starts the flood by itself with the last connection.
            with Drain(port=port, viewers=viewers, size=size) as drain:
                drain.await_ready()
                return drain.result()
        finally:
            ceiling.kill()


def free_port() -> int:
    """Return a port that was free a moment ago."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def bare_python() -> list[str]:
    """Return the command of this interpreter with nothing on top, the floor of every start."""
    import sys

    return [os.path.realpath(sys.executable), "-I", "-S"]
