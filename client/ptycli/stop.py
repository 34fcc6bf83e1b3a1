"""``ptyd stop``: ask programs to end, kill them when their time is up, and wait."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptycli.arguments import Failure, Parser
from ptycli.container import Container, find, signal_keeper, wait_for_exit
from ptycli.life import signal_of, timeout_of
from ptycli.order import REFUSED, each, order
from ptykeep.order import NoKeeper
from ptykeep.state import STOP_TIMEOUT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

MARGIN: Final = 15.0
"""Seconds that what is killed may take to be gone, and that to be written down."""


class Manner(NamedTuple):
    """How to end a program; None is what the container says."""

    signal: int | None
    timeout: int | None

    @property
    def fields(self) -> dict[str, Any]:
        """Return what an order says of it."""
        return self._asdict()

    def patience(self, container: Container) -> float | None:
        """Return the seconds in which it will have ended; None for no bound."""
        timeout = self.timeout
        if timeout is None:
            try:
                timeout = container.options.get("stop_timeout", STOP_TIMEOUT)
            except FileNotFoundError:
                timeout = 0  # half-made: there is nothing that runs
        return None if timeout < 0 else timeout + MARGIN


def add_manner(add: Callable[..., Any]) -> None:
    add("-s", "--signal", metavar="SIGNAL", help="default: the container's, or TERM")
    add("-t", "--time", "--timeout", metavar="SECONDS", help="until it is killed; -1: never")


def read_manner(options: argparse.Namespace) -> Manner:
    number = None if options.signal is None else signal_of(options.signal)
    return Manner(number, None if options.time is None else timeout_of(options.time))


def main(arguments: list[str]) -> int:
    parser = Parser("stop", "Ask programs to end, and see to it.", "ptyd stop NAME [NAME…]")
    add_manner(parser.add_argument)
    parser.add_argument("names", metavar="NAME", nargs="+")
    options = parser.parse_args(arguments)
    manner = read_manner(options)
    refusals: dict[str, Failure] = {}
    for name in options.names:  # all are asked before any is waited for
        try:
            ask(find(name), name, manner)
        except Failure as failure:
            refusals[name] = failure

    def end(container: Container, name: str) -> None:
        if name in refusals:
            raise refusals[name]
        see_to(container, name, manner)

    return each("stop", options.names, end)


def ask(container: Container, name: str, manner: Manner) -> None:
    if container.read_state()["status"] in ("created", "exited") and not container.keeper_pid:
        return
    try:
        order(container, name, {"order": "stop", **manner.fields})
    except NoKeeper:
        if container.read_state()["status"] != "exited":
            signal_keeper(container, signal.SIGTERM)  # it is older than orders


def see_to(container: Container, name: str, manner: Manner) -> None:
    """See that a program that was asked to end does; raise Failure."""
    if container.read_state()["status"] == "created" and container.keeper_pid is None:
        return
    if not wait_for_exit(container, manner.patience(container)):
        raise Failure(f"{name} does not end", REFUSED)
