"""What a test may not leave behind: processes, descriptors, mounts and cgroups.

While a test runs, this process is the subreaper (prctl(2)) of all that it starts: keepers and tmux
servers become its children instead of init's, so nothing can get out of sight.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from typing import TYPE_CHECKING

from cgroups import stale
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

_PR_SET_CHILD_SUBREAPER = 36
_SETTLE = 5.0
"""Seconds that the kernel and killed processes have to come to an end."""
_OTHERS = 30.0
"""Seconds for which other tests, which run at the same time, may have empty cgroups."""


@contextlib.contextmanager
def checked(folder: str | None = None) -> Iterator[None]:
    """Run a test, then fail if it left something; what was left is ended all the same.

    Mounts are looked for below ``folder``, for others on this machine may mount as well.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    fds, children, cgroups = _descriptors(), descendants(), stale()
    assert libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
        stayed = _settled(children)
    finally:
        for pid in descendants() - children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _settled(children)
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    assert not stayed, f"processes were left: {stayed}"
    # Others on this machine make some as well, which are empty for a moment.
    wait_until(lambda: not stale() - cgroups, within=_OTHERS, what="no cgroup is left")
    assert folder is None or not _mounts(folder), "mounts were left"
    # One of an earlier test may be closed by the garbage collector at any time: that is no leak.
    left = dict(_descriptors().items() - fds.items())
    assert not left, f"descriptors were left: {left}"


def descendants(pid: int | None = None) -> set[int]:
    """Return the pids of all children, and of theirs (proc(5), task/TID/children)."""
    found: set[int] = set()
    base = f"/proc/{pid or os.getpid()}/task"
    try:
        for thread in os.listdir(base):
            with open(f"{base}/{thread}/children", encoding="ascii") as file:
                found |= {int(word) for word in file.read().split()}
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return found.union(*(descendants(child) for child in found)) if found else found


def _settled(known: set[int]) -> dict[int, str]:
    """Reap what has ended and return what has not, by pid, with its command line."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not _reap(descendants() - known), within=_SETTLE)
    return {pid: _command(pid) for pid in descendants() - known}


def _reap(pids: set[int]) -> set[int]:
    """Reap those of ``pids`` that are ours and ended; return the others."""
    left = set()
    for pid in pids:
        try:
            ended = os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            ended = not os.path.exists(f"/proc/{pid}")
        if not ended:
            left.add(pid)
    return left


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return "?"


def _mounts(folder: str) -> list[str]:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return [line for line in file if folder in line]


def _descriptors() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that lists
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found
