"""Trying something out: in a child, so that neither its namespaces nor its failures are ours."""

from __future__ import annotations

import enum
import json
import os
import select
import signal
import sys
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from ptylaunch import syscall as sc

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE: Final = 20.0
"""Seconds after which a probe that says nothing counts as failed."""


class Status(enum.Enum):
    """What a probe found: it works, not at all, or not in full."""

    OK = "ok"
    MISSING = "missing"
    LIMITED = "limited"


class Result(NamedTuple):
    """What a probe says: how it went, what it saw, and what would help."""

    status: Status
    detail: str = ""
    advice: str = ""


class Probe(NamedTuple):
    """Something to try; ``needed`` when there is no box without it."""

    name: str
    work: Callable[[], Result]
    needed: bool = False
    advice: str = ""
    """What to do when the kernel refuses: the probe raised OSError."""


class Finding(NamedTuple):
    """A probe and its result."""

    name: str
    needed: bool
    status: Status
    detail: str
    advice: str

    @property
    def text(self) -> str:
        """Return the detail and the advice in one line."""
        return "; ".join(part for part in (self.detail, self.advice) if part)


def ok(detail: str = "") -> Result:
    return Result(Status.OK, detail)


def missing(detail: str, advice: str = "") -> Result:
    return Result(Status.MISSING, detail, advice)


def limited(detail: str, advice: str = "") -> Result:
    return Result(Status.LIMITED, detail, advice)


def run_probe(probe: Probe) -> Finding:
    """Run a probe in a child of ours and return what it found; a refusal is a finding too."""
    sys.stdout.flush()  # or the child has a copy of what waits there
    reading, writing = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be_child(probe, writing)
    os.close(writing)
    try:
        said = _read(reading)
    finally:
        os.close(reading)
        os.kill(pid, signal.SIGKILL)  # not yet reaped, so the pid is still its
        os.waitpid(pid, 0)
    if not said:
        return Finding(probe.name, probe.needed, Status.MISSING, "the probe died", probe.advice)
    status, detail, advice = json.loads(said)
    return Finding(probe.name, probe.needed, Status(status), detail, advice)


def in_user_namespace(others: int = 0) -> tuple[int, int]:
    """Return a child in a new user namespace (and others); it lives until the fd is closed."""
    told, tell = os.pipe2(os.O_CLOEXEC)
    held, hold = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        os.close(hold)
        try:
            sc.unshare(sc.CLONE_NEWUSER | others)
            os.write(tell, b"!")
            os.read(held, 1)
        finally:
            os._exit(0)
    os.close(tell)
    os.close(held)
    os.read(told, 1)
    os.close(told)
    return child, hold


def _read(fd: int) -> bytes:
    """Return all that a child says before it closes the pipe, or nothing when it hangs."""
    said = b""
    while select.select([fd], [], [], PATIENCE)[0]:
        chunk = os.read(fd, 1 << 16)
        if not chunk:
            return said
        said += chunk
    return b""


def _be_child(probe: Probe, writing: int) -> NoReturn:
    try:
        try:
            result = probe.work()
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            result = missing(f"{where}{error.strerror}", probe.advice)
        status, detail, advice = result
        os.write(writing, json.dumps([status.value, detail, advice]).encode())
    finally:
        os._exit(0)  # never into the caller's code
