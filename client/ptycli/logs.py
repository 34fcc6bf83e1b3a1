"""``ptyd logs``: the journal's bytes, as they were printed."""

from __future__ import annotations

import os
import select
import sys

from ptycli.arguments import Failure, Parser, session_of
from ptycli.container import Container, find
from ptyd.journal.index import EXIT, STDERR
from ptyd.journal.journal import Journal

_CHUNK = 1 << 20
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
    if not os.path.isdir(folder):
        if session or container.read_state()["status"] == "exited":
            raise Failure(f"{options.name}: there is no such session")
        return 0  # its server has not come to it yet
    if options.follow and container.keeper_pid is not None:
        return follow(container, name, session)
    return dump(folder)


def dump(folder: str) -> int:
    """Copy what the journal holds; 1 if it lost bytes while we read."""
    journal = load(folder)
    offset = journal.start
    code = 0
    sys.stdout.flush()
    while offset < journal.end:
        try:
            data = journal.read(offset, _CHUNK)
        except FileNotFoundError:
            # The session goes on printing, and its oldest segment has just been dropped.
            journal = load(folder)
            print(f"ptyd logs: {journal.start - offset} bytes were dropped here", file=sys.stderr)
            offset, code = max(offset, journal.start), 1
            continue
        kind, run_end = journal.run_at(offset)
        data = data[: run_end - offset]
        if not data:
            break
        write_all(2 if kind == STDERR else 1, data)
        offset += len(data)
    return code


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


def follow(container: Container, name: str, session: int) -> int:
    """Read everything from the oldest byte on, from the server, until the program has ended."""
    from ptyc.address import Target  # the client, for following only
    from ptyc.attach import Options, attach

    code = attach(
        Target(path=container.control, name=name, session=session),
        Options(
            stdin=False, from_="start", role="view", lossless=True, sig_proxy=False, session=session
        ),
    )
    ended = has_ended(f"{container.directory}/sessions/{session}/journal")
    return 0 if ended and code != 1 else code


def has_ended(folder: str) -> bool:
    """Tell whether the journal's last word is an exit."""
    journal = Journal(folder)
    try:
        journal.load()
        return any(record.kind == EXIT for record in journal.segments[-1].records[-1:])
    except (OSError, IndexError):
        return True  # removed: it has ended
