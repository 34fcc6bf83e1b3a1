"""``ptyd wait``: until programs have ended; prints their exit statuses."""

from __future__ import annotations

import sys
import time
from typing import Final, NamedTuple

from ptycli.arguments import Failure, Parser, printable
from ptycli.container import Container, find, wait_for_keeper
from ptycli.order import REFUSED
from ptykeep.exits import Exits

_PAUSE: Final = 0.05
"""Seconds between two looks where only the files can tell."""


class Wait(NamedTuple):
    """What is waited for: without a container, why not."""

    name: str
    container: Container | Failure
    exits: Exits | None = None
    """A file that is opened first has the status even if both are gone before we look."""


def main(arguments: list[str]) -> int:
    parser = Parser(
        "wait", "Wait until programs end; print their exit statuses.", "ptyd wait NAME [NAME…]"
    )
    parser.add_argument("names", metavar="NAME", nargs="+")
    options = parser.parse_args(arguments)
    code = 0
    for wait in [begin(name) for name in options.names]:
        try:
            print(status_of(wait), flush=True)
        except Failure as failure:  # the others are waited for all the same, as docker does
            print(f"ptyd wait: {printable(str(failure))}", file=sys.stderr)
            code = REFUSED
    return code


def begin(name: str) -> Wait:
    """Find a container, before any is waited for: it may remove itself meanwhile."""
    try:
        container = find(name)
    except Failure as failure:
        return Wait(name, failure)
    try:
        return Wait(name, container, Exits(container.directory))
    except FileNotFoundError:
        return Wait(name, container)  # of an older ptyd


def status_of(wait: Wait) -> int:
    """Return the exit status once there is one; raise Failure if there will be none.

    The server tells it, also that of a container which removes itself; the files are for the time
    without one.
    """
    if isinstance(wait.container, Failure):
        raise wait.container
    try:
        status = _wait(wait.container, wait.name, wait.exits)
    finally:
        if wait.exits is not None:
            wait.exits.close()
    if status is None:
        why = "its exit status is unknown: its keeper was killed"
        raise Failure(f"{wait.name} has ended, {why}")
    return status


def _wait(container: Container, name: str, exits: Exits | None) -> int | None:
    from ptyc.address import Target  # the client, once there is somebody to ask
    from ptyc.errand import run
    from ptyc.fault import Left, Lost
    from ptyc.look import End
    from ptyc.transport import resolve

    target = Target(path=container.control, name=name)
    while True:
        fields = container.read_state()
        if exits is not None and (noted := exits.status()) is not None:
            return noted
        if exits is not None and exits.is_removed and exits.status() is None:
            raise Failure(f"{name} was removed", REFUSED)
        if fields["status"] == "exited":
            status: int | None = fields.get("exit_status")
            return status
        if fields["status"] == "created" and container.keeper_pid is None:
            time.sleep(_PAUSE)  # to be started: only the files will tell
            continue
        end = End(target, resolve(target))
        try:
            run(end, None)
        except (Left, Lost):
            wait_for_keeper(container, _PAUSE)  # not there yet, or not any more
            continue
        return end.status
