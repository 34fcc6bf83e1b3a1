"""Orders to a container's keeper, and verbs that take several names."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ptycli.arguments import Failure
from ptycli.container import Container, find, hold
from ptykeep import lock, state
from ptykeep.order import NoAnswer, NoKeeper, say

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

REFUSED: Final = 1
"""Exit code for what cannot be done to a container; docker's for what its daemon refuses."""
ANSWERED_WITHIN: Final = 15.0
"""Seconds: longer than a keeper takes to hold a box, which is the slowest that it waits for."""


def order(
    container: Container, name: str, fields: dict[str, Any], within: float = ANSWERED_WITHIN
) -> None:
    """Have the keeper do something; raise NoKeeper, or Failure with why it does not."""
    try:
        answer = say(state.socket_dir(container.dirs, container.id), fields, within)
    except NoAnswer:
        raise Failure(f"{name}: its keeper does not answer", REFUSED) from None
    if error := answer.get("error"):
        raise Failure(str(error), int(answer.get("exit_code", REFUSED)))


@contextmanager
def holding(container: Container, name: str) -> Generator[None]:
    """Keep keepers away while its files are changed; raise Failure where one does not answer."""
    try:
        held = hold(container)
    except BlockingIOError:
        raise Failure(f"{name}: its keeper does not answer", REFUSED) from None
    try:
        yield
    finally:
        lock.let_go(held)


def each(verb: str, names: list[str], act: Callable[[Container, str], None]) -> int:
    """Do it to all of them, whatever becomes of the others; return the exit code."""
    code = 0
    for name in names:
        try:
            act(find(name), name)
        except Failure as failure:
            print(f"ptyd {verb}: {failure}", file=sys.stderr)
            code = REFUSED
        except NoKeeper:
            print(f"ptyd {verb}: {name} is not running", file=sys.stderr)
            code = REFUSED
        else:
            print(name, flush=True)
    return code
