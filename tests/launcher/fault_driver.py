"""Run by ``tests/boxes.py`` as a process of its own: builds one box again and again, and each time
another of the system calls that the build makes fails, in whichever of its processes it is made.

The calls are those of ``ptylaunch.syscall`` and the functions of os, fcntl and socket below; a
counter in shared memory numbers them over all processes. The request on standard input is that of
``box_driver``; the report has a list of :class:`Outcome` in ``info["outcomes"]``.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import mmap
import multiprocessing
import os
import select
import socket
import struct
import sys
import types
from typing import TYPE_CHECKING, Any, NamedTuple

import box_driver

from ptylaunch import channel, container, init, start
from ptylaunch import syscall as sc
from ptylaunch.cgroup import remove
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Callable

FAULT = errno.EDOM
"""What a call fails with: nothing that any of them ever says, so nothing that is expected."""
FILES = (
    "chdir", "chmod", "chown", "dup", "dup2", "eventfd", "fchdir", "fchmod", "fchown", "fork",
    "fstat", "listdir", "lstat", "mkdir", "mknod", "open", "pidfd_open", "pipe2", "posix_spawn",
    "read", "readlink", "scandir", "set_blocking", "set_inheritable", "setgroups", "setresgid",
    "setresuid", "setsid", "stat", "symlink", "write",
)  # fmt: skip
STEP_TIMEOUT = 10.0
"""Seconds after which a build that hangs gives up: a finding, and not a minute each."""
_LOG_SIZE = 1 << 18
_NAME_SIZE = 32


class Outcome(NamedTuple):
    """What became of a build in which call ``number`` failed, whose name is ``call``."""

    number: int
    call: str
    stage: str
    errno: int
    text: str
    exit_code: int
    status: int | None
    left: list[str]


class Counter:
    """Numbers the calls of all processes, and makes one of them fail."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _LOG_SIZE)
        self._lock = multiprocessing.Lock()
        self.armed = False
        self.fails = 0

    def begin(self, fails: int) -> None:
        self._memory[:4] = bytes(4)
        self.fails = fails
        self.armed = True

    def count(self, name: str) -> bool:
        """Note one call; return whether it is to fail."""
        if not self.armed:
            return False
        # One that was killed while it held the lock does not give it back: then we do.
        self._lock.acquire(timeout=0.5)
        try:
            return self._note(name)
        finally:
            with contextlib.suppress(ValueError):
                self._lock.release()

    def _note(self, name: str) -> bool:
        (last,) = struct.unpack_from("I", self._memory)
        number = last + 1
        struct.pack_into("I", self._memory, 0, number)
        place = number * _NAME_SIZE
        self._memory[place : place + _NAME_SIZE] = name.encode()[:_NAME_SIZE].ljust(_NAME_SIZE)
        return number == self.fails

    def names(self) -> list[str]:
        (last,) = struct.unpack_from("I", self._memory)
        places = [number * _NAME_SIZE for number in range(1, last + 1)]
        return [self._memory[at : at + _NAME_SIZE].decode().strip() for at in places]


COUNTER = Counter()


def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        if COUNTER.count(name):
            raise OSError(FAULT, os.strerror(FAULT))
        return function(*arguments, **named)

    return call


def uncounted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Stop counting where a child's part in the build ends."""

    def call(*arguments: Any) -> Any:
        COUNTER.armed = False
        return function(*arguments)

    return call


def fail_execve(make: Callable[[sc.Execution], int]) -> Callable[[sc.Execution], int]:
    """Count execve, which says why by its result."""

    def call(execution: sc.Execution) -> int:
        return FAULT if COUNTER.count("sc.execve") else make(execution)

    return call


def count_all() -> None:
    for name in FILES:
        setattr(os, name, counted(f"os.{name}", getattr(os, name)))
    for name, function in vars(sc).copy().items():
        if isinstance(function, types.FunctionType) and not name.startswith("_"):
            setattr(sc, name, counted(f"sc.{name}", function))
    init.serve = uncounted(init.serve)
    sc.Execution.make = fail_execve(sc.Execution.make)  # type: ignore[method-assign]
    for module, names in ((fcntl, ("fcntl", "ioctl")), (socket, ("socketpair",))):
        for name in names:
            setattr(module, name, counted(f"{module.__name__}.{name}", getattr(module, name)))
    for name in ("send", "receive"):
        setattr(channel, name, counted(f"channel.{name}", getattr(channel, name)))


def main() -> None:
    request: dict[str, Any] = json.load(sys.stdin)
    state = sys.argv[1]
    box_driver.be_alone()
    box_driver.be_busy()
    container._TIMEOUT = start._TIMEOUT = STEP_TIMEOUT  # type: ignore[misc]
    spec = box_driver.prepare(request, state, box_driver.choose_maps(request["ids"]))
    before = look(state)
    count_all()
    attempt(spec, state, 0, before)
    total = len(COUNTER.names())
    outcomes = [attempt(spec, state, number, before) for number in range(1, total + 1)]
    result = {"status": None, "output": "", "errors": "", "failure": None, "left": []}
    info = {"fault": FAULT, "outcomes": [outcome._asdict() for outcome in outcomes]}
    print(json.dumps({**result, "info": info}))


def look(state: str) -> set[str]:
    """Return everything that a build may leave behind, files of the bundle included."""
    return box_driver.snapshot() | {f"folder {found}" for found in os.walk(state)}


def attempt(spec: dict[str, Any], state: str, number: int, before: set[str]) -> Outcome:
    """Build and start once; without a failure run to the end."""
    stage, found, text, exit_code, status = "", 0, "", 0, None
    box = None
    COUNTER.begin(number)
    try:
        box = container.build(spec, state)
        box.start()
    except LaunchFailed as failure:
        stage, found, text = failure.stage, failure.errno, str(failure)
        exit_code = failure.exit_code
    except OSError as error:
        stage, text = "no stage", str(error)
    finally:
        COUNTER.armed = False
    names = COUNTER.names()
    if box is not None and not stage:
        status = run_to_its_end(box)
    left = sorted(look(state) - before)
    call = names[number - 1] if 0 < number <= len(names) else ""
    return Outcome(number, call, stage, found, text, exit_code, status, left)


def run_to_its_end(box: container.Box) -> int:
    pidfd = os.pidfd_open(box.init_pid)
    ended = select.select([pidfd], [], [], box_driver.DEADLINE)[0]
    os.close(pidfd)
    assert ended, "the box does not end"
    status = os.waitstatus_to_exitcode(os.waitpid(box.init_pid, 0)[1])
    box.close()
    assert remove(box.cgroup)
    return status


if __name__ == "__main__":
    main()
