"""``ptyd wait``: until programs have ended; prints their exit statuses."""

from __future__ import annotations

from typing import Final

from ptycli.arguments import Failure, Parser
from ptycli.container import Container, find, wait_for_keeper

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
    without one.
    """
    from ptyc.address import Target  # the client, once there is somebody to ask
    from ptyc.errand import run
    from ptyc.fault import Left, Lost
    from ptyc.look import End
    from ptyc.transport import resolve

    target = Target(path=container.control, name=name)
    while True:
        fields = container.read_state()
        if fields["status"] == "exited":
            status: int | None = fields.get("exit_status")
            return status
        end = End(target, resolve(target))
        try:
            run(end, None)
        except (Left, Lost):
            wait_for_keeper(container, _PAUSE)  # not there yet, or not any more
            continue
        return end.status
