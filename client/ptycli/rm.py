"""``ptyd rm``: forget containers that have ended; with -f end them first."""

from __future__ import annotations

import signal
import sys

from ptycli.arguments import Failure, Parser
from ptycli.container import (
    Container,
    find,
    hold,
    signal_keeper,
    wait_for_exit,
    wait_for_keeper,
)
from ptycli.order import REFUSED, order
from ptykeep import lock, state
from ptykeep.order import NoKeeper

PATIENCE = 10.0


def main(arguments: list[str]) -> int:
    parser = Parser("rm", "Remove containers that have ended.", "ptyd rm [-f] NAME [NAME…]")
    parser.add_argument("-f", "--force", action="store_true", help="kill what still runs")
    parser.add_argument("names", metavar="NAME", nargs="+")
    options = parser.parse_args(arguments)
    code = 0
    for name in options.names:
        try:
            if forget(name, force=options.force):
                print(name, flush=True)
        except Failure as failure:
            print(f"ptyd rm: {failure}", file=sys.stderr)
            code = REFUSED
    return code


def forget(name: str, *, force: bool) -> bool:
    """Remove one container; return whether there was one, or raise Failure with why it stays."""
    try:
        container = find(name)
    except Failure:
        if state.release_name(state.directories(), name):
            return True  # all that was left of it
        if force:
            return False  # gone is what it asks for
        raise
    if force:
        remove(container, name)
        return True
    fields = container.read_state()
    if fields["status"] not in ("created", "exited"):
        how = "paused: unpause and" if fields["status"] == "paused" else "running:"
        raise Failure(f"{name} is {how} stop it first, or rm -f", REFUSED)
    discard(container, name)
    return True


def discard(container: Container, name: str) -> None:
    """Remove one that does not run; raise Failure if somebody starts it meanwhile."""
    try:
        order(container, name, {"order": "leave"})
    except NoKeeper:
        pass  # as it should be
    if not wait_for_keeper(container, PATIENCE):
        raise Failure(f"{name}: its keeper does not end", REFUSED)
    try:
        held = hold(container)
    except BlockingIOError:
        raise Failure(f"{name} is running: stop it first, or rm -f", REFUSED) from None
    except FileNotFoundError:
        return  # somebody else has removed it
    try:
        state.remove_container(container.dirs, container.id)
    finally:
        lock.let_go(held)


def remove(container: Container, name: str) -> None:
    """End what runs, its keeper as well, even a hung one, and remove the files."""
    # The first SIGINT kills the program; once that is written down the next ends the lingering.
    if signal_keeper(container, signal.SIGINT):
        wait_for_exit(container, PATIENCE)
        signal_keeper(container, signal.SIGINT)
        ends = wait_for_keeper(container, PATIENCE)
        if not ends:  # its box goes with it
            signal_keeper(container, signal.SIGKILL)
            ends = wait_for_keeper(container, PATIENCE)
        if not ends:
            raise Failure(f"{name}: its keeper does not end", REFUSED)
    state.remove_container(container.dirs, container.id)
