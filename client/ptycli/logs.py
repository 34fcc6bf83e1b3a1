"""``ptyd logs``: the journal's bytes, as they were printed."""

from __future__ import annotations

import os
import select
import sys
import time

from ptycli.arguments import Failure, Parser, session_of
from ptycli.container import Container, find, wait_for_keeper
from ptyd.journal.index import EXIT, STDERR
from ptyd.journal.journal import Journal

_CHUNK = 1 << 20
_PATIENCE = 20.0
"""Seconds that a server may take to come, or to come back, while there is a keeper."""
_PAUSE = 0.05
_RACES = 100
"""Attempts to read the journal's list of segments before one of them is gone."""


def main(arguments: list[str]) -> int:
    parser = Parser("logs", "Print what a session printed.", "ptyd logs [-f] NAME[/N]")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until it ends")
    parser.add_argument("name", metavar="NAME[/N]")
    options = parser.parse_args(arguments)
    name, session = session_of(options.name)
    container = find(name)
    folder = f"{container.directory}/sessions/{session}/journal"
    if session and not os.path.isdir(folder):
        raise Failure(f"{options.name}: there is no such session")
    has_keeper = container.keeper_pid is not None
    # What a program printed before its end is shown, also when no server has come to it yet.
    if has_keeper and (options.follow or (is_over(container) and not has_ended(folder))):
        return follow(container, name, session, folder)
    return dump(folder)


def dump(folder: str, offset: int = 0) -> int:
    """Copy what the journal holds from ``offset`` on; 1 if it lost bytes while we read."""
    if not os.path.isdir(folder):
        return 0  # no server has come to it
    journal = load(folder)
    code = 0
    if 0 < offset < journal.start:
        code = tell_of_gap(journal.start - offset)
    offset = max(offset, journal.start)
    sys.stdout.flush()
    while offset < journal.end:
        try:
            data = journal.read(offset, _CHUNK)
        except FileNotFoundError:
            # The session goes on printing, and its oldest segment has just been dropped.
            journal = load(folder)
            code = tell_of_gap(journal.start - offset)
            offset = max(offset, journal.start)
            continue
        kind, run_end = journal.run_at(offset)
        data = data[: run_end - offset]
        if not data:
            break
        write_all(2 if kind == STDERR else 1, data)
        offset += len(data)
    return code


def tell_of_gap(size: int) -> int:
    """Say that bytes are missing; return the exit status for that."""
    print(f"ptyd logs: {size} bytes were dropped here", file=sys.stderr)
    return 1


def load(folder: str) -> Journal:
    """Return what the journal holds; the session may drop its oldest segment while we look."""
    for _ in range(_RACES):
        journal = Journal(folder)
        try:
            journal.load()
        except FileNotFoundError:
            if not os.path.isdir(folder):
                raise  # removed
            continue
        return journal
    raise Failure(f"{folder} changes faster than it can be read")


def write_all(fd: int, data: bytes) -> None:
    """Write all of it, also to a descriptor that somebody else has made non-blocking."""
    view = memoryview(data)
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            poll.poll()


def follow(container: Container, name: str, session: int, folder: str) -> int:
    """Read from the server until the program has ended; what a server cannot tell, from the files.

    A server may be on its way, be replaced, or have gone with the keeper by the time we ask.
    """
    from ptyc.address import Target  # the client, for following only
    from ptyc.attach import Options, tell, visit

    target = Target(path=container.control, name=name, session=session)
    options = Options(
        stdin=False, from_="start", role="view", lossless=True, sig_proxy=False, session=session
    )
    while container.read_state()["status"] == "created" and container.keeper_pid is not None:
        wait_for_keeper(container, _PAUSE)
    offset, code, deadline = 0, 0, 0.0
    while container.keeper_pid is not None:
        began = time.monotonic()
        outcome = visit(target, options)
        code |= outcome.has_gap
        if outcome.is_whole:
            return code
        if not outcome.is_lost:
            tell(outcome)
            return outcome.status
        ended = time.monotonic()
        if not deadline or outcome.rendered > offset or ended - began > _PATIENCE:
            deadline = ended + _PATIENCE
        if not wait_for_keeper(container, _PAUSE) and time.monotonic() > deadline:
            tell(outcome)
            return outcome.status
        if outcome.rendered > offset:
            offset = outcome.rendered
            options = options._replace(from_=offset)
    try:
        return dump(folder, offset) | code
    except FileNotFoundError:
        return code  # just removed


def is_over(container: Container) -> bool:
    """Tell whether the keeper has seen the program's end."""
    return bool(container.read_state()["status"] == "exited")


def has_ended(folder: str) -> bool:
    """Tell whether the journal's last word is an exit."""
    journal = Journal(folder)
    try:
        journal.load()
        return any(record.kind == EXIT for record in journal.segments[-1].records[-1:])
    except (OSError, IndexError):
        return False  # not there yet, or just removed
