"""Which bytes of a journal are wanted: streams, times and the last lines, all by whole lines.

A line belongs to one stream and has the time of its first byte. Times are compared line by line,
so a clock that was set back hides nothing but what claims to be outside of the window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ptyd.journal.index import STDERR, Record
from ptyd.journal.reader import Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ptyd.journal.reader import Extent, Item

CHUNK: Final = 1 << 20
"""Bytes that are looked at at a time."""


class Window(NamedTuple):
    """What is asked for: moments in nanoseconds, both included, None for no bound."""

    since: int | None = None
    until: int | None = None
    stream: str = "all"

    @property
    def is_timed(self) -> bool:
        return self.since is not None or self.until is not None

    def holds(self, time_ns: int) -> bool:
        return (self.since is None or time_ns >= self.since) and (
            self.until is None or time_ns <= self.until
        )

    def has_kind(self, kind: int) -> bool:
        """Whether bytes of this kind are asked for: a terminal has one stream, standard output."""
        return self.stream == "all" or (self.stream == "stderr") == (kind == STDERR)


class Selection:
    """Cuts items down to what a window has; ``starts`` are offsets where a tail begins.

    ``default_start`` is where a kind begins that ``starts`` does not have.
    """

    def __init__(
        self, window: Window, starts: dict[int, int] | None = None, default_start: int = 0
    ) -> None:
        self.window = window
        self._starts = starts or {}
        self._default_start = default_start
        self._lines: dict[int, bool] = {}  # kinds that are inside a line, and whether it is wanted

    def select(self, extent: Extent) -> Iterator[Item]:
        """Yield what is wanted of an extent, moments included."""
        for item in extent.items:
            if isinstance(item, Record):
                yield item
            elif self.window.has_kind(item.kind):
                yield from self._cut(extent, item)

    def _cut(self, extent: Extent, run: Run) -> Iterator[Run]:
        start = max(run.start, self._starts.get(run.kind, self._default_start))
        if not self.window.is_timed:
            if start < run.end:
                yield run._replace(start=start)
            return
        wanted = self.window.holds(run.time_ns)
        # The rest of a line that began before goes with its beginning.
        at = run.start
        if run.kind in self._lines:
            at = self._line_end(extent, run)
            if self._lines[run.kind] and start < at:
                yield run._replace(start=start, end=at)
            if at == run.end and extent.read(at - 1, at) != b"\n":
                return
            del self._lines[run.kind]
        if at < run.end:
            if extent.read(run.end - 1, run.end) != b"\n":
                self._lines[run.kind] = wanted
            if wanted and max(start, at) < run.end:
                yield run._replace(start=max(start, at))

    def _line_end(self, extent: Extent, run: Run) -> int:
        """Return the offset behind the first newline of a run, or its end."""
        at = run.start
        while at < run.end:
            data = extent.read(at, min(at + CHUNK, run.end))
            newline = data.find(b"\n")
            if newline >= 0:
                return at + newline + 1
            if not data:
                break
            at += len(data)
        return run.end


class Tail:
    """Finds where the last lines begin, of all streams together, by where lines end."""

    def __init__(self) -> None:
        self._runs: list[tuple[str, int, Run]] = []
        self._found: dict[int, int] = {}
        self._open: set[int] = set()  # kinds whose first line's beginning is still looked for
        self._left = 0

    def add(self, extent: Extent, items: Iterable[Item]) -> None:
        """Note what is wanted of an extent."""
        base = extent.base
        self._runs += [(extent.path, base, item) for item in items if isinstance(item, Run)]

    def starts(self, count: int) -> dict[int, int]:
        """Return for each kind the offset of the first of the last ``count`` lines.

        What was dropped meanwhile, and all before it, is passed over.
        """
        self._found, self._left = {}, count
        self._open.clear()
        for path, base, run in reversed(self._runs):
            try:
                for start, data in _backwards(path, base, run):
                    self._count(run.kind, start, data)
            except FileNotFoundError:
                break
            if not self._left and not self._open:
                break
        return self._found | dict.fromkeys(self._open, 0)

    def _count(self, kind: int, start: int, data: bytes) -> None:
        """Count the lines that end in a piece, from its end."""
        if kind not in self._found:
            self._found[kind] = start + len(data)
            if not data.endswith(b"\n"):  # a last line that is not ended
                self._take(kind)
        at = len(data)
        while self._left or kind in self._open:
            newline = data.rfind(b"\n", 0, at)
            if newline < 0:
                break
            if kind in self._open:
                self._found[kind] = start + newline + 1
                self._open.discard(kind)
            self._take(kind)
            at = newline

    def _take(self, kind: int) -> None:
        if self._left:
            self._left -= 1
            self._open.add(kind)


def _backwards(path: str, base: int, run: Run) -> Iterator[tuple[int, bytes]]:
    """Yield the bytes of a run from its end, in pieces."""
    with open(path, "rb") as file:
        end = run.end
        while end > run.start:
            start = max(run.start, end - CHUNK)
            file.seek(start - base)
            yield start, file.read(end - start)
            end = start
