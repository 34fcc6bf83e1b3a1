"""Intake's law: killed at any moment, each byte is in the journal, once and in order."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
import tty
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ptyd.journal import intake as intake_module
from ptyd.journal.index import STDERR, STDOUT, TERMINAL
from ptyd.journal.intake import (
    BATCH,
    CopyIntake,
    Intake,
    PipeIntake,
    TerminalIntake,
    can_splice,
    open_intakes,
)
from ptyd.journal.journal import Full, Journal
from session_program import pattern
from small_disk import files_up_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PIPE_SIZE = 256 << 10  # the keeper's
_open = os.open


class Killed(BaseException):
    """SIGKILL, as far as this process is concerned: no handler, nothing is tidied up."""


class Terminal(NamedTuple):
    """What the keeper holds of a session with a terminal, and the program's end of it."""

    pty_fd: int
    tty_fd: int
    pipe_r: int
    pipe_w: int

    @property
    def fds(self) -> dict[str, int]:
        return {"pty": self.pty_fd, "pipe_read": self.pipe_r, "pipe_write": self.pipe_w}


@contextlib.contextmanager
def terminal() -> Iterator[Terminal]:
    pty_fd, tty_fd = pty.openpty()
    tty.setraw(tty_fd)
    os.set_blocking(pty_fd, False)
    os.set_blocking(tty_fd, False)
    pipe_r, pipe_w = os.pipe2(os.O_NONBLOCK)
    fcntl.fcntl(pipe_w, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    try:
        yield Terminal(pty_fd, tty_fd, pipe_r, pipe_w)
    finally:
        for fd in (pty_fd, tty_fd, pipe_r, pipe_w):
            os.close(fd)


@contextlib.contextmanager
def pipes() -> Iterator[dict[str, int]]:
    """Return ``stdout``, ``stderr`` and the program's ends, ``stdout_w`` and ``stderr_w``."""
    ends = dict(zip(("stdout", "stdout_w"), os.pipe2(os.O_NONBLOCK), strict=True))
    ends |= dict(zip(("stderr", "stderr_w"), os.pipe2(os.O_NONBLOCK), strict=True))
    try:
        yield ends
    finally:
        for fd in ends.values():
            os.close(fd)


@contextlib.contextmanager
def journal_in(folder: str) -> Iterator[Journal]:
    journal = Journal(folder)
    journal.open_for_writing()
    try:
        yield journal
    finally:
        journal.close()


def content(journal: Journal) -> bytes:
    data, offset = bytearray(), journal.start
    while chunk := journal.read(offset, 1 << 20):
        data += chunk
        offset += len(chunk)
    return bytes(data)


def write_some(fd: int, start: int, size: int) -> int:
    """Write as much of the pattern as fits now."""
    written = 0
    with contextlib.suppress(BlockingIOError):
        while written < size:
            written += os.write(fd, pattern(start + written, size - written))
    return written


def gather_all(intake: Intake) -> int:
    """Gather until two rounds in a row bring nothing: a terminal hands its bytes on by a worker."""
    total, deadline = 0, time.monotonic() + 10
    while time.monotonic() < deadline:
        moved = intake.gather()
        total += moved
        if not moved and not select.select([intake.fd], [], [], 0.02)[0]:
            return total
    raise AssertionError("the intake never came to an end")


def gather_until_full(intake: Intake) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        intake.gather()


def terminal_intake(journal: Journal, it: Terminal) -> TerminalIntake:
    return TerminalIntake(journal, it.pty_fd, it.pipe_r, it.pipe_w)


@pytest.mark.parametrize("spliced", [True, False])
def test_a_terminal_is_moved_byte_by_byte(tmp_path: Path, *, spliced: bool) -> None:
    """A megabyte in odd pieces, none of it changed, all of it labelled."""
    size, written = 1_000_003, 0
    with terminal() as it, journal_in(str(tmp_path)) as journal:
        intake = open_intakes(journal, it.fds, spliced=spliced)[0]
        while written < size:
            written += write_some(it.tty_fd, written, min(7777, size - written))
            if select.select([it.pty_fd], [], [], 10)[0]:
                intake.gather()
        gather_all(intake)

        assert isinstance(intake, TerminalIntake if spliced else CopyIntake)
        assert content(journal) == pattern(0, size)
        assert journal.run_at(0) == (TERMINAL, journal.end)


@pytest.mark.parametrize("spliced", [True, False])
def test_two_pipes_keep_apart(tmp_path: Path, *, spliced: bool) -> None:
    """Output and errors are one stream of bytes, each byte labelled with where it came from."""
    with pipes() as fds, journal_in(str(tmp_path)) as journal:
        out, err = open_intakes(journal, fds, spliced=spliced)
        for number in range(50):
            os.write(fds["stdout_w"], b"o" * number)
            os.write(fds["stderr_w"], b"e" * (50 - number))
            out.gather()
            err.gather()
        held = content(journal)
        kinds = {"o": STDOUT, "e": STDERR}

        assert held == b"".join(b"o" * n + b"e" * (50 - n) for n in range(50))
        assert all(journal.run_at(n)[0] == kinds[chr(byte)] for n, byte in enumerate(held))


@pytest.mark.parametrize("spliced", [True, False])
def test_nothing_to_read_is_nothing_moved(tmp_path: Path, *, spliced: bool) -> None:
    """No byte, no record, and never a wait."""
    with terminal() as it, pipes() as fds, journal_in(str(tmp_path)) as journal:
        intakes = open_intakes(journal, it.fds, spliced=spliced)
        intakes += open_intakes(journal, fds, spliced=spliced)

        assert [intake.gather() for intake in intakes] == [0, 0, 0]
        assert journal.records() == []


@pytest.mark.parametrize("spliced", [True, False])
def test_a_terminal_nobody_has_open_is_empty(tmp_path: Path, *, spliced: bool) -> None:
    """EIO is neither an end nor an error: what was written before is still taken."""
    with terminal() as it, journal_in(str(tmp_path)) as journal:
        intake = open_intakes(journal, it.fds, spliced=spliced)[0]
        os.write(it.tty_fd, b"last words")
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, it.tty_fd)
        os.close(null)
        gathered = 0
        while gathered < len(b"last words"):
            gathered += intake.gather()

        assert intake.gather() == 0
        assert content(journal) == b"last words"


def test_one_gather_is_bounded(tmp_path: Path) -> None:
    """A program that never stops gets no more than a batch, then others have their turn."""
    with pipes() as fds, journal_in(str(tmp_path)) as journal:
        fcntl.fcntl(fds["stdout_w"], fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        os.write(fds["stdout_w"], bytes(PIPE_SIZE))

        assert 0 < PipeIntake(journal, fds["stdout"], STDOUT).gather() <= BATCH


class Interruption:
    """Counts the system calls that move bytes and kills before or after the one it is told."""

    def __init__(self, at: int, *, after: bool) -> None:
        self._left = at
        self._after = after
        self._opened: list[int] = []

    def __call__(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Killed
            result = real(*args, **kwargs)
            if real is _open:
                self._opened.append(result)
            if self._left == 0:
                raise Killed
            return result

        return call

    def bury(self) -> None:
        """Close what the dead had open and nobody knows of, as the kernel does."""
        for fd in self._opened:
            with contextlib.suppress(OSError):
                os.close(fd)


@given(
    st.lists(
        st.tuples(st.integers(0, 5000), st.integers(1, 14), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
@example([(9, at, after) for at in range(1, 8) for after in (True, False)])
@settings(max_examples=25)
def test_a_kill_before_or_after_any_call_loses_nothing(
    lives: list[tuple[int, int, bool]],
) -> None:
    """Every place where it can die is tried: the next server finds each byte, labelled."""
    written = 0
    with tempfile.TemporaryDirectory(prefix="intake") as folder, terminal() as it:
        for size, at, after in lives:
            written += write_some(it.tty_fd, written, size)
            with pytest.MonkeyPatch.context() as patch, journal_in(folder) as journal:
                journal.segment_size = 4096
                interruption = Interruption(at, after=after)
                for name in ("splice", "pwrite", "open"):
                    patch.setattr(os, name, interruption(getattr(os, name)))
                with contextlib.suppress(Killed):
                    gather_all(terminal_intake(journal, it))
            interruption.bury()
        with journal_in(folder) as journal:
            gather_all(terminal_intake(journal, it))

            assert content(journal) == pattern(0, written)
            assert journal.damage == ""
            assert not written or journal.run_at(0)[0] == TERMINAL


_MOVER = """
import os, select, sys
sys.path[:0] = sys.argv[2].split(":")
from ptyd.journal.intake import open_intakes
from ptyd.journal.journal import Journal
journal = Journal(sys.argv[1])
journal.open_for_writing()
fds = dict(zip(("pty", "pipe_read", "pipe_write"), map(int, sys.argv[3:])))
intake = open_intakes(journal, fds, spliced=True)[0]
os.write(1, b"!")
while True:
    intake.gather()
    select.select([intake.fd], [], [])
"""


def start_mover(folder: str, it: Terminal) -> subprocess.Popen[bytes]:
    fds = (it.pty_fd, it.pipe_r, it.pipe_w)
    path = ":".join(entry for entry in sys.path if entry)
    mover = subprocess.Popen(
        [sys.executable, "-S", "-c", _MOVER, folder, path, *map(str, fds)],
        pass_fds=fds,
        stdout=subprocess.PIPE,
    )
    assert mover.stdout is not None
    assert mover.stdout.read(1) == b"!"
    mover.stdout.close()
    return mover


def test_twenty_processes_killed_under_load_lose_nothing(tmp_path: Path) -> None:
    """SIGKILL while a real process moves bytes, each time after another amount of output."""
    chance = random.Random(20)
    written = 0
    with terminal() as it:
        for _ in range(20):
            mover = start_mover(str(tmp_path), it)
            goal = written + chance.randrange(1, 200_000)
            while written < goal:
                assert select.select([], [it.tty_fd], [], 10)[1], "the mover is stuck"
                written += write_some(it.tty_fd, written, min(4096, goal - written))
            mover.kill()
            assert mover.wait() == -signal.SIGKILL
        with journal_in(str(tmp_path)) as journal:
            gather_all(terminal_intake(journal, it))

            assert content(journal) == pattern(0, written)
            assert journal.run_at(0) == (TERMINAL, journal.end)


@pytest.mark.parametrize("kind", ["terminal", "pipe", "copy", "copied pipe"])
def test_a_full_disk_loses_nothing(tmp_path: Path, kind: str) -> None:
    """What does not fit is said to be Full, waits where it is, and is taken once there is room."""
    size = 30_000
    with terminal() as it, pipes() as fds, journal_in(str(tmp_path)) as journal:
        intake: Intake = {
            "terminal": lambda: terminal_intake(journal, it),
            "pipe": lambda: PipeIntake(journal, fds["stdout"], STDOUT),
            "copy": lambda: CopyIntake(journal, it.pty_fd, TERMINAL),
            "copied pipe": lambda: CopyIntake(journal, fds["stdout"], STDOUT),
        }[kind]()
        program = fds["stdout_w"] if "pipe" in kind else it.tty_fd
        written = 0
        for room in (0, 32, 33, 1000, 1001, 5000):
            with files_up_to(room):
                written += write_some(program, written, size - written)
                with pytest.raises(Full):
                    gather_until_full(intake)

            assert journal.end <= room
        while written < size or gather_all(intake):
            written += write_some(program, written, size - written)
            gather_all(intake)

        assert content(journal) == pattern(0, size)
        assert journal.damage == ""


def test_a_copy_that_half_fits_is_not_left_lying(tmp_path: Path) -> None:
    """Nothing would come to wake the intake for the other half: Full is said at once."""
    with pipes() as fds, journal_in(str(tmp_path)) as journal:
        intake = CopyIntake(journal, fds["stdout"], STDOUT)
        os.write(fds["stdout_w"], pattern(0, 100))
        with files_up_to(60), pytest.raises(Full):
            intake.gather()

        assert content(journal) == pattern(0, 60)
        assert intake.gather() == 40
        assert content(journal) == pattern(0, 100)


def test_a_full_pipe_is_drained_once_there_is_room(tmp_path: Path) -> None:
    """A pipe without a free slot takes no more: waiting for the terminal would wait for ever."""
    with terminal() as it, journal_in(str(tmp_path)) as journal:
        os.write(it.pipe_w, pattern(0, PIPE_SIZE))
        intake = terminal_intake(journal, it)
        os.write(it.tty_fd, pattern(PIPE_SIZE, 100))
        gather_all(intake)

        assert content(journal) == pattern(0, PIPE_SIZE + 100)


def test_splice_is_tried_where_the_journal_is(tmp_path: Path) -> None:
    """A terminal and a file of our own; nothing is left of them."""
    before = len(os.listdir("/proc/self/fd"))

    assert can_splice(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("error", "verdict"), [("EINVAL", False), ("ENOSPC", True), ("EDQUOT", True)]
)
def test_only_what_splice_says_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str, *, verdict: bool
) -> None:
    """EINVAL is a kernel or file system without it; a full disk says nothing about splice."""

    def fail(*_: object, **__: object) -> int:
        raise OSError(getattr(intake_module.errno, error), error)

    monkeypatch.setattr(os, "splice", fail)

    assert can_splice(str(tmp_path)) is verdict
    assert list(tmp_path.iterdir()) == []
