"""The pipe between the two sides of a copy, and the visitor at its other end."""

from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import IO, TYPE_CHECKING, Final

from ptycli.arguments import Failure
from ptycli.container import Container, wait_for_keeper
from ptycli.copying.pack import pack
from ptycli.copying.place import Inside
from ptycli.copying.unpack import unpack
from ptycli.order import ANSWERED_WITHIN, REFUSED
from ptykeep import state
from ptykeep.order import NoAnswer, NoKeeper, ask
from ptylaunch.errors import LaunchFailed
from ptylaunch.visit import DIED, Visit, join, set_up

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ptycli.copying.unpack import Terms

_PIECE: Final = 1 << 18
_PAUSE: Final = 0.05
"""Seconds between two looks at a keeper that is about to end, or has just begun."""


@contextlib.contextmanager
def reading(
    container: Container, name: str, work: Callable[[int], str]
) -> Generator[tuple[IO[bytes], Visit]]:
    """Give what ``work`` writes in the box, and who does it: over, and successful, at the end."""
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    with open(ours, "rb") as file, _visiting(container, name, work, theirs) as visit:
        try:
            yield file, visit
            drain(file)
        except Exception:  # what failed out here may be the box's doing, whose word goes first
            file.close()
            try:
                visit.finish()
            except LaunchFailed as failure:
                if failure.stage != DIED:  # then it is what was wrong out here, too
                    raise failure from None
            raise
        except BaseException:
            file.close()
            visit.abandon()
            raise
        visit.finish()


@contextlib.contextmanager
def writing(
    container: Container, name: str, work: Callable[[int], str]
) -> Generator[tuple[int, Visit]]:
    """Give a descriptor that ``work`` reads in the box, and who does it as :func:`reading` does."""
    theirs, ours = os.pipe2(os.O_CLOEXEC)
    with open(ours, "wb", buffering=0) as file, _visiting(container, name, work, theirs) as visit:
        try:
            yield file.fileno(), visit
        except BrokenPipeError:
            file.close()
            visit.finish()  # it does not read any more, and says why
            raise
        except BaseException:
            file.close()
            visit.abandon()
            raise
        file.close()
        visit.finish()


def pack_inside(path: str, fd: int, *, follow: bool) -> str:
    """Do the box's part of a copy from it; return its report, as text."""
    return str(pack(Inside(), path, fd, follow=follow))


def unpack_inside(path: str, terms: Terms, fd: int) -> str:
    """Do the box's part of a copy to it; return the bytes that came, as text."""
    with open(fd, "rb", closefd=False) as file:
        size = unpack(Inside(), path, file, terms)
        drain(file)
    return str(size)


def drain(file: IO[bytes]) -> None:
    """Read what is behind an archive's end: who writes it would not end otherwise."""
    while file.read(_PIECE):
        pass


@contextlib.contextmanager
def _visiting(
    container: Container, name: str, work: Callable[[int], str], fd: int
) -> Generator[Visit]:
    """Have work done in a container's box with ``fd``, which is closed out here."""
    with _way_in(container, name) as namespaces:
        try:
            own = partial(work, fd)
            if namespaces:
                visit = join(namespaces, own, fd)
            else:
                visit = set_up(container.spec, container.directory, own, fd)
        finally:
            os.close(fd)
        yield visit


@contextlib.contextmanager
def _way_in(container: Container, name: str) -> Generator[list[int]]:
    """Give the namespaces of a box that runs; none of one that does not, and nobody starts it."""
    held = -1
    namespaces = _namespaces(container, name)
    try:
        if not namespaces:
            held = state.claim_root(container.directory, wait=True)
            namespaces = _namespaces(container, name)  # somebody was faster
        if namespaces and held >= 0:
            os.close(held)
            held = -1
        yield namespaces
    finally:
        for fd in (*namespaces, *([held] if held >= 0 else [])):
            os.close(fd)


def _namespaces(container: Container, name: str) -> list[int]:
    while container.keeper_pid is not None:
        folder = state.socket_dir(container.dirs, container.id)
        try:
            answer = ask(folder, {"order": "visit"}, ANSWERED_WITHIN)
        except NoAnswer:
            raise Failure(f"{name}: its keeper does not answer", REFUSED) from None
        except NoKeeper:
            wait_for_keeper(container, _PAUSE)  # it is about to end, or has just begun
            continue
        if error := answer.fields.get("error"):
            raise Failure(str(error), REFUSED)
        return answer.fds
    return []
