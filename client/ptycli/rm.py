"""``ptyd rm``: forget containers that have ended; with -f end them first."""

from __future__ import annotations

import signal

from ptycli.arguments import Failure, Parser
from ptycli.container import Container, find, signal_keeper, wait_for_exit, wait_for_keeper
from ptykeep import state

PATIENCE = 10.0


def main(arguments: list[str]) -> int:
    parser = Parser("rm", "Remove containers that have ended.", "ptyd rm [-f] NAME [NAME…]")
    parser.add_argument("-f", "--force", action="store_true", help="kill what still runs")
    parser.add_argument("names", metavar="NAME", nargs="+")
    options = parser.parse_args(arguments)
    for name in options.names:
        try:
            container = find(name)
        except Failure:
            if state.release_name(state.directories(), name):
                print(name)  # all that was left of it
            elif not options.force:
                raise
            continue  # gone is what -f asks for
        if container.read_state()["status"] != "exited" and not options.force:
            raise Failure(f"{name} is running: stop it first, or rm -f")
        remove(container, name)
        print(name)
    return 0


def remove(container: Container, name: str) -> None:
    """End the keeper, whatever it waits for, and remove the files."""
    # The first SIGINT kills the program; once that is written down the next ends the lingering.
    if signal_keeper(container, signal.SIGINT):
        wait_for_exit(container, PATIENCE)
        signal_keeper(container, signal.SIGINT)
        if not wait_for_keeper(container, PATIENCE):
            raise Failure(f"{name}: its keeper does not end")
    state.remove_container(container.dirs, container.id)
