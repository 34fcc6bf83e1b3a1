"""A full disk: history goes first, then the program waits, and not one byte is lost."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from ptyd.session import session as session_module
from session_program import Program, pattern, run_until, serving
from small_disk import files_up_to, on_a_small_disk

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

RETRY = 0.01


@pytest.mark.parametrize("loop_name", ["asyncio", "uvloop"])
def test_history_makes_room(tmp_path: Path, loop_name: str) -> None:
    """A disk smaller than the journal may grow: its oldest goes, the program does not wait."""
    result = on_a_small_disk("history", loop_name, tmp_path, 640 << 10)

    assert result["exact"]
    assert result["end"] == result["written"] == 3 << 19
    assert result["end"] - result["start"] > 64 << 10
    assert result["status"] == 5
    assert result["states"] == [True, False] * (len(result["states"]) // 2)


@pytest.mark.parametrize("case", ["waiting", "ending", "beginning"])
def test_the_program_waits_for_room(tmp_path: Path, case: str) -> None:
    """While others fill the disk, when the program ends then, and when a server starts then."""
    result = on_a_small_disk(case, "uvloop", tmp_path, 256 << 10)

    assert result["exact"]
    assert (result["start"], result["end"]) == (0, result["written"])
    assert result["states"][:1] == [True]
    assert result["states"][-1:] == [False]
    assert result.get("early") is None
    assert result["status"] == (7 if case == "ending" else None)


def test_two_pipes_wait_as_one(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tries do not multiply, clients are told once, and both streams are taken up again."""
    monkeypatch.setattr(session_module, "RETRY_FULL", RETRY)
    states: list[bool] = []
    tries: list[float] = []
    with Program(terminal=False) as program, serving(loop, tmp_path, program) as session:
        retry = session._retry

        def count_and_retry() -> None:
            tries.append(time.monotonic())
            retry()

        session._retry = count_and_retry  # type: ignore[method-assign]
        session.on_full = lambda: states.append(session.full)
        session.start()
        with files_up_to(session.journal.segments[-1].index_size):
            program.write(5000)
            os.write(program.err, b"e" * 3000)
            run_until(loop, lambda: len(tries) >= 20)
            stuck = list(states)
        run_until(loop, lambda: session.journal.end == 8000)
        took = tries[19] - tries[0]

        assert stuck == [True]
        assert states == [True, False]
        assert took > 15 * RETRY
        held = session.journal.read(0, 8000)
        assert held in (pattern(0, 5000) + b"e" * 3000, b"e" * 3000 + pattern(0, 5000))
