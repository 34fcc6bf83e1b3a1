"""``ptyd wait``: until programs have ended; prints their exit statuses."""

from __future__ import annotations

import time
from typing import Final

from ptycli.arguments import Failure, Parser
from ptycli.container import Container, find, wait_for_keeper
from ptycli.order import REFUSED
from ptykeep.exits import Exits

_PAUSE: Final = 0.05
"""Seconds between two looks where only the files can tell."""


def main(arguments: list[str]) -> int:
    parser = Parser(
        "wait", "Wait until programs end; print their exit statuses.", "ptyd wait NAME [NAME…]"
    )
    parser.add_argument("names", metavar="NAME", nargs="+")
    options = parser.parse_args(arguments)
    for name, container in [(name, find(name)) for name in options.names]:
        status = wait_for(container, name)
        if status is None:
            raise Failure(f"{name} has ended, its exit status is unknown: its keeper was killed")
        print(status, flush=True)
    return 0


def wait_for(container: Container, name: str) -> int | None:
    """Return the exit status once there is one; None if nobody wrote it down.

    The server tells it, also that of a container which removes itself; the files are for the time
    without one. A file that is opened first has it even if both are gone before we look.
    """
    try:
        exits = Exits(container.directory)
    except FileNotFoundError:
        return _wait(container, name, None)
    try:
        return _wait(container, name, exits)
    finally:
        exits.close()


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
