"""What a session does on a disk too small for it; runs where that disk is mounted."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from session_program import Program, pattern, run_until, serving

if TYPE_CHECKING:
    from ptyd.session.session import Session


def content(session: Session) -> bytes:
    data, offset = bytearray(), session.journal.start
    while chunk := session.journal.read(offset, 1 << 20):
        data += chunk
        offset += len(chunk)
    return bytes(data)


def result(session: Session, program: Program, states: list[bool]) -> dict[str, Any]:
    start, end = session.journal.start, session.journal.end
    return {
        "exact": content(session) == pattern(start, end - start),
        "start": start,
        "end": end,
        "written": program.written,
        "states": states,
        "status": session.status,
    }


def history(loop: asyncio.AbstractEventLoop, folder: Path) -> dict[str, Any]:
    """The disk is smaller than the journal may grow: the oldest goes, the program runs."""
    states: list[bool] = []
    with Program() as program, serving(loop, folder, program, log_max=1 << 20) as session:
        session.on_full = lambda: states.append(session.full)
        session.start()
        program.write_all(loop, 3 << 19)
        run_until(loop, lambda: session.journal.end == program.written)
        session.on_exit(5)
        run_until(loop, lambda: session.status is not None)
        return result(session, program, states)


def waiting(loop: asyncio.AbstractEventLoop, folder: Path) -> dict[str, Any]:
    """Somebody else fills the disk: the program waits until that is over."""
    states: list[bool] = []
    ballast = folder / "ballast"
    with Program() as program, serving(loop, folder, program) as session:
        session.on_full = lambda: states.append(session.full)
        session.start()
        program.write_all(loop, 1000)
        run_until(loop, lambda: session.journal.end == 1000)
        fill(ballast)
        run_until(loop, lambda: not program.write(4096) and session.full)
        ballast.unlink()
        program.write_all(loop, 20_000)
        run_until(loop, lambda: session.journal.end == program.written)
        return result(session, program, states)


def ending(loop: asyncio.AbstractEventLoop, folder: Path) -> dict[str, Any]:
    """The program ends while the disk is full: its last bytes and its status are written after."""
    states: list[bool] = []
    ballast = folder / "ballast"
    with Program() as program, serving(loop, folder, program) as session:
        session.on_full = lambda: states.append(session.full)
        session.start()
        fill(ballast)
        run_until(loop, lambda: not program.write(4096) and session.full)
        session.on_exit(7)
        early = session.status
        ballast.unlink()
        run_until(loop, lambda: session.status is not None)
        return result(session, program, states) | {"early": early}


def beginning(loop: asyncio.AbstractEventLoop, folder: Path) -> dict[str, Any]:
    """A server starts on a full disk, after one that did not: it waits, and goes on."""
    states: list[bool] = []
    ballast = folder / "ballast"
    with Program() as program:
        with serving(loop, folder, program) as session:
            session.start()
            program.write_all(loop, 3000)
            run_until(loop, lambda: session.journal.end == program.written)
        fill(ballast)
        program.write(4000)
        with serving(loop, folder, program) as session:
            session.on_full = lambda: states.append(session.full)
            session.start()
            run_until(loop, lambda: not program.write(4096) and session.full)
            ballast.unlink()
            run_until(loop, lambda: session.journal.end == program.written)
            return result(session, program, states)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                os.write(file.fileno(), bytes(4096))
        except OSError:
            return


if __name__ == "__main__":
    _, case, loop_name, where = sys.argv
    event_loop = uvloop.new_event_loop() if loop_name == "uvloop" else asyncio.new_event_loop()
    cases = {each.__name__: each for each in (history, waiting, ending, beginning)}
    json.dump(cases[case](event_loop, Path(where)), sys.stdout)
    event_loop.close()
