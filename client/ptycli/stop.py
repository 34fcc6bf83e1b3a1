"""``ptyd stop``: SIGTERM to the program, SIGKILL ten seconds later, and wait."""

from __future__ import annotations

import signal

from ptycli.arguments import Failure, Parser
from ptycli.container import find, signal_keeper, wait_for_exit

PATIENCE = 15.0
"""Seconds: longer than the keeper's own."""


def main(arguments: list[str]) -> int:
    parser = Parser("stop", "Ask programs to end, and see to it.", "ptyd stop NAME [NAME…]")
    parser.add_argument("names", metavar="NAME", nargs="+")
    options = parser.parse_args(arguments)
    containers = [(name, find(name)) for name in options.names]
    for _, container in containers:
        if container.read_state()["status"] != "exited":
            signal_keeper(container, signal.SIGTERM)
    for name, container in containers:
        if not wait_for_exit(container, PATIENCE):
            raise Failure(f"{name} does not end")
        print(name)
    return 0
