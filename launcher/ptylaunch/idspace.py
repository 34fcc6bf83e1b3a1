"""Work that wants a box's ids but no box: unpacking what it will own, removing what it owned.

A child does it, as the root of a user namespace with the box's ids, so that an ordinary user's too
may give files to all of them. It dies with its caller, and is told nothing but what to do.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Final

from ptylaunch import channel as ch
from ptylaunch import syscall as sc
from ptylaunch.child import FAILED, forget_caller, report
from ptylaunch.errors import LaunchFailed, failure_from, unpack_failure
from ptylaunch.namespace import userns_hint, write_maps
from ptylaunch.privilege import become_root
from ptylaunch.reap import reap

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from ptylaunch.plan import IdRange

_TIMEOUT: Final = 60.0
"""Seconds until the child has its ids; the work itself may take as long as it takes."""


def work_as_root(
    uid_map: tuple[IdRange, ...], gid_map: tuple[IdRange, ...], work: Callable[[], None]
) -> None:
    """Have ``work`` done by a child; raise LaunchFailed when it could not do it.

    Without maps the child has the caller's own ids. Everything that ``work`` uses must have been
    imported: the child cannot import (see ``child.forget_caller``).
    """
    ours, theirs = ch.open_channel(_TIMEOUT)
    caller = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be_worker(ours, theirs, caller, work, own_ids=bool(uid_map))
    theirs.close()
    done = False
    try:
        with ours:
            if uid_map:
                _answer_maps(ours, pid, uid_map, gid_map)
            ours.settimeout(None)
            message = ch.receive(ours)
        if message.kind == ch.FAILED:
            raise unpack_failure(message.data)
        done = message.kind == ch.READY
        if not done:
            raise LaunchFailed("build", errno.EPIPE, "a child died")
    finally:
        if not done:
            os.kill(pid, signal.SIGKILL)
        reap(pid)


def _answer_maps(
    sock: socket.socket, pid: int, uid_map: tuple[IdRange, ...], gid_map: tuple[IdRange, ...]
) -> None:
    message = ch.receive(sock)
    if message.kind == ch.FAILED:
        failure = unpack_failure(message.data)
        raise LaunchFailed(failure.stage, failure.errno, failure.detail or userns_hint())
    write_maps(pid, uid_map, gid_map)
    ch.send(sock, ch.GO)


def _be_worker(
    ours: socket.socket,
    theirs: socket.socket,
    caller: int,
    work: Callable[[], None],
    *,
    own_ids: bool,
) -> None:
    stage = "user namespace"
    try:
        ours.close()
        forget_caller("ptyd-files")
        if own_ids:
            sc.unshare(sc.CLONE_NEWUSER)
            ch.send(theirs, ch.MAPS)
            if not ch.await_word(theirs, ch.GO):
                os._exit(FAILED)
            become_root()
        sc.prctl(sc.PR_SET_PDEATHSIG, signal.SIGKILL)  # the change of identity would clear it
        if os.getppid() != caller:
            os._exit(FAILED)
        stage = "files"
        work()
        ch.send(theirs, ch.READY)
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - a traceback would read files by path
        report(theirs, failure_from(error, stage))
    os._exit(FAILED)
