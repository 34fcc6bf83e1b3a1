"""The lock of a container: a keeper is known by it, and a verb that has it is no keeper."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from ptykeep import lock
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def take_in_child(directory: str, take: Callable[[str], int] = lock.take) -> tuple[int, int]:
    """Take the lock in a child; return its pid and the fd whose closing ends it."""
    ready_r, ready_w = os.pipe()
    stop_r, stop_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(stop_w)
            take(directory)
            grandchild = os.fork()
            if grandchild == 0:
                os.read(stop_r, 1)  # inherits the descriptor, and must not hold the lock by it
                os._exit(0)
            os.write(ready_w, b"!")
            os.read(stop_r, 1)
        finally:
            os._exit(0)
    os.close(stop_r)
    os.close(ready_w)
    assert os.read(ready_r, 1) == b"!"
    os.close(ready_r)
    return pid, stop_w


def test_the_lock_names_its_keeper(tmp_path: Path) -> None:
    """F_GETLK tells the pid; a second keeper is refused; the lock ends with its holder."""
    before = lock.keeper_pid(str(tmp_path))
    pid, stop = take_in_child(str(tmp_path))
    named = lock.keeper_pid(str(tmp_path))
    with pytest.raises(BlockingIOError):
        lock.take(str(tmp_path))
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    after = lock.keeper_pid(str(tmp_path))  # while the grandchild still has its descriptor
    os.close(stop)

    assert (before, named, after) == (None, pid, None)
    fd = lock.take(str(tmp_path))
    assert fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
    os.close(fd)


def test_a_refused_lock_leaves_no_descriptor(tmp_path: Path) -> None:
    """Or trying in a loop would run out of them."""
    pid, stop = take_in_child(str(tmp_path))
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            lock.take(str(tmp_path))
    after = os.listdir("/proc/self/fd")
    os.close(stop)
    os.waitpid(pid, 0)

    assert len(after) == len(before)


def test_a_verb_is_no_keeper(tmp_path: Path) -> None:
    """It keeps keepers away, and is not taken for one: nobody signals it."""
    pid, stop = take_in_child(str(tmp_path), lock.hold)
    named = lock.keeper_pid(str(tmp_path))
    with pytest.raises(BlockingIOError):
        lock.hold(str(tmp_path))
    os.close(stop)
    os.waitpid(pid, 0)

    assert named is None
    lock.let_go(lock.hold(str(tmp_path)))


def test_no_verb_holds_what_a_keeper_has(tmp_path: Path) -> None:
    """Not for a moment."""
    pid, stop = take_in_child(str(tmp_path))
    with pytest.raises(BlockingIOError):
        lock.hold(str(tmp_path))
    named = lock.keeper_pid(str(tmp_path))
    os.close(stop)
    os.waitpid(pid, 0)

    assert named == pid


def test_a_keeper_waits_for_a_verb(tmp_path: Path) -> None:
    """That is at the files; others are told of the keeper meanwhile."""
    verb, stop = take_in_child(str(tmp_path), lock.hold)
    keeper = os.fork()
    if keeper == 0:
        try:
            os.close(stop)
            lock.take(str(tmp_path))
            os._exit(7)
        finally:
            os._exit(1)
    wait_until(lambda: lock.keeper_pid(str(tmp_path)) == keeper)
    os.close(stop)
    os.waitpid(verb, 0)

    assert os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1]) == 7
