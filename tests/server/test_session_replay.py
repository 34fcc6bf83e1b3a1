"""Where a session's replay begins, and how much history there is for it."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ptyd.session.output import REPLAY
from session_program import LOG_MAX, Program, serving

if TYPE_CHECKING:
    from pathlib import Path


@given(
    st.lists(st.sampled_from([b"\n", b"x" * 3000, b"y" * 17, b"\n\n", b"z" * REPLAY]), max_size=60)
)
@settings(max_examples=60)
def test_a_replay_begins_at_a_line(pieces: list[bytes]) -> None:
    """Of the last 64 KiB the first whole line; all of it where there is less, or no line."""
    text = b"".join(pieces)
    loop = asyncio.new_event_loop()
    with (
        tempfile.TemporaryDirectory(prefix="session") as folder,
        Program() as program,
        serving(loop, folder, program) as session,
    ):
        session.journal.label(1)
        view = memoryview(text)
        while view:
            view = view[session.journal.append(view) :]
        start = session.output.replay_start()
    loop.close()
    tail = max(0, len(text) - REPLAY)

    assert start == 0 or 0 <= start - tail <= len(text) - tail
    if tail and b"\n" in text[tail:]:
        assert text[start - 1 : start] == b"\n"
        assert b"\n" not in text[tail : start - 1]
    else:
        assert start == tail


def test_the_limit_is_the_callers(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """``--log-max`` reaches the journal."""
    with Program() as program, serving(loop, tmp_path, program, log_max=2 << 20) as session:
        assert session.journal.limit == 2 << 20 < LOG_MAX
    with contextlib.suppress(FileNotFoundError):
        assert (tmp_path / "journal").is_dir()
