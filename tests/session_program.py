"""A program as its session sees it: what the keeper holds, and the ends that the program has."""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import os
import pty
import select
import time
import tty
from typing import TYPE_CHECKING, Any, Self

from ptyd.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 20.0
LOG_MAX = 64 << 20
_EAGER = 20


def pattern(start: int, size: int) -> bytes:
    """Return bytes that depend on their offset: any that is lost, doubled or moved shows."""
    words = array.array("I", range(start // 4, start // 4 + size // 4 + 2)).tobytes()
    return words[start % 4 :][:size]


def run_until(
    loop: asyncio.AbstractEventLoop, condition: Callable[[], object], what: str = "it"
) -> None:
    """Let the loop turn until ``condition`` is true."""

    async def turn() -> None:
        deadline, turns = time.monotonic() + PATIENCE, 0
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come about in {PATIENCE} s"
            turns += 1
            # The kernel's worker that hands a terminal's bytes on wants a processor as well.
            await asyncio.sleep(0 if turns < _EAGER else 0.001)

    loop.run_until_complete(turn())


class Program:
    """A terminal in raw mode or three pipes; ``out``, ``err`` and ``stdin`` are its ends.

    Nothing runs: the test writes what the program would, and reads what it is given.
    """

    def __init__(self, *, terminal: bool = True) -> None:
        self.terminal = terminal
        self.held: dict[str, int] = {}
        self.written = 0
        if terminal:
            self.held["pty"], self.out = pty.openpty()
            tty.setraw(self.out)
            os.set_blocking(self.held["pty"], False)
            self.held["pipe_read"], self.held["pipe_write"] = os.pipe2(os.O_NONBLOCK)
            fcntl.fcntl(self.held["pipe_write"], fcntl.F_SETPIPE_SZ, 256 << 10)
            self.stdin = self.err = self.out
        else:
            self.held["stdout"], self.out = os.pipe2(os.O_NONBLOCK)
            self.held["stderr"], self.err = os.pipe2(os.O_NONBLOCK)
            self.stdin, self.held["stdin"] = os.pipe2(os.O_NONBLOCK)
        os.set_blocking(self.out, False)
        self.held["input"] = os.memfd_create("positions")
        os.ftruncate(self.held["input"], 32 << 10)

    def write(self, size: int) -> int:
        """Write up to ``size`` bytes of the pattern, what fits now; return how many."""
        wrote = 0
        with contextlib.suppress(BlockingIOError):
            while wrote < size:
                wrote += os.write(self.out, pattern(self.written + wrote, min(size - wrote, 8192)))
        self.written += wrote
        return wrote

    def write_all(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        """Write ``size`` bytes while the session takes them."""
        goal = self.written + size

        def written() -> bool:
            self.write(goal - self.written)
            return self.written == goal

        run_until(loop, written, "the program's write")

    def write_waiting(self, size: int) -> None:
        """Write ``size`` bytes while a session in another thread or process takes them."""
        goal = self.written + size
        while self.written < goal:
            ready = select.select([], [self.out], [], PATIENCE)[1]
            assert ready, f"nobody reads: {goal - self.written} bytes are left"
            self.write(goal - self.written)

    def fields(self, *, epoch: int = 1, status: int | None = None) -> dict[str, Any]:
        """Return a ``session`` message of the keeper; its fds go with it, in this order."""
        return {
            "type": "session",
            "session": 0,
            "epoch": epoch,
            "tty": self.terminal,
            "rows": 24,
            "cols": 80,
            "status": status,
            "fds": list(self.held),
        }

    @contextlib.contextmanager
    def passed(self) -> Iterator[dict[str, int]]:
        """Yield duplicates of what the keeper holds: a server may close them or die with them."""
        with contextlib.ExitStack() as stack:
            duplicates = {}
            for name, fd in self.held.items():
                duplicates[name] = os.dup(fd)
                # On the same number something else may be open by then: compare.
                stack.callback(_close_same, duplicates[name], fd)
            yield duplicates

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in {*self.held.values(), self.out, self.err, self.stdin}:
            os.close(fd)


def _close_same(fd: int, original: int) -> None:
    with contextlib.suppress(OSError):
        if os.path.sameopenfile(fd, original):
            os.close(fd)


@contextlib.contextmanager
def serving(
    loop: asyncio.AbstractEventLoop,
    folder: Path | str,
    program: Program,
    *,
    log_max: int = LOG_MAX,
    spliced: bool = True,
    epoch: int = 1,
) -> Iterator[Session]:
    """Yield a session of a server that is gone afterwards, as if it had been killed."""
    with program.passed() as fds:
        session = Session(
            loop,
            str(folder),
            program.fields(epoch=epoch),
            fds,
            log_max=log_max,
            spliced=spliced,
        )
        try:
            yield session
        finally:
            for name in ("pty", "stdout", "stderr", "stdin"):
                if name in fds and (name != "stdin" or session.input.is_open):
                    loop.remove_reader(fds[name])
                    loop.remove_writer(fds[name])
            session.close()
