"""Delivers a session's output to a place, from where it stopped."""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING

from ptycli.delivery.cursor import Cursor
from ptycli.delivery.place import About, make_place
from ptycli.failure import Failure
from ptycli.transcript.entry import Entries
from ptycli.transcript.selection import CHUNK, Selection, Window
from ptyd.journal.index import Record

if TYPE_CHECKING:
    from ptycli.delivery.place import Place
    from ptycli.transcript.source import Source
    from ptyd.journal.reader import Extent, Run


def deliver(source: Source, target: str, *, follow: bool) -> int:
    """Deliver what there is, and with ``follow`` what comes; return the exit code.

    1 if bytes were dropped from the journal before they were delivered.
    """
    fields = source.container.read_state()
    summary = source.container.summary(fields)
    session = f"/{source.session}" if source.session else ""
    pid = fields.get("pid") or 0
    about = About(source.container.id, fields["name"] + session, summary["image"], pid)
    with Cursor(source.container.directory, source.session, target) as cursor:
        try:
            place = make_place(target, about)
            return _Delivery(source, cursor, place).run(follow=follow)
        except OSError as error:
            raise Failure(f"--to {target}: {error.strerror}", 1) from None


class _Delivery:
    def __init__(self, source: Source, cursor: Cursor, place: Place) -> None:
        self._source = source
        self._cursor = cursor
        self._place = place
        self._entries = Entries()
        self._recent: dict[int, _Recent] = {}
        self._has_begun = False
        self._missing = 0

    def run(self, *, follow: bool) -> int:
        cursor = self._cursor
        selection = Selection(Window(), cursor.starts, cursor.end)
        cursor.save(cursor.starts, cursor.end, self._place.resume(cursor.place))
        for extent in self._source.extents(follow=follow):
            self._tell_of_gap(extent)
            for item in selection.select(extent):
                if not isinstance(item, Record):
                    self._deliver(extent, item)
            if extent.end > cursor.end:
                self._save(extent.end)
        if follow or self._source.has_ended():
            self._place.write(list(self._entries.finish()))
            self._save(cursor.end)
        if self._source.is_cut:
            print(f"ptyd logs: {self._source.lost_words}", file=sys.stderr)
        return 1 if self._missing or self._source.is_cut else 0

    def _tell_of_gap(self, extent: Extent) -> None:
        gap = extent.gap
        if not self._has_begun and self._cursor.end:
            oldest = min(self._cursor.end, *self._cursor.starts.values())
            gap = max(gap, extent.start - oldest)
        self._has_begun = True
        if gap:
            self._missing += gap
            print(f"ptyd logs: {gap} bytes were dropped here", file=sys.stderr, flush=True)

    def _deliver(self, extent: Extent, run: Run) -> None:
        for start in range(run.start, run.end, CHUNK):
            data = extent.read(start, min(start + CHUNK, run.end))
            self._place.write(list(self._entries.feed(run.kind, run.time_ns, data)))
        recent = self._recent.setdefault(run.kind, _Recent())
        recent.add(run.start, run.end, self._entries.held(run.kind))

    def _save(self, end: int) -> None:
        """Note how far it is: for each kind to where the line begins that is not ended yet."""
        starts = {
            kind: recent.start_of(self._entries.held(kind), end)
            for kind, recent in self._recent.items()
        }
        self._cursor.save({**self._cursor.starts, **starts}, end, self._place.sync())


class _Recent:
    """Where the bytes of one kind were that were read last."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[int, int]] = deque()
        self._size = 0

    def add(self, start: int, end: int, held: int) -> None:
        """Note a piece; of all of them only the last ``held`` bytes are still wanted."""
        if self._pieces and self._pieces[-1][1] == start:
            self._pieces[-1] = (self._pieces[-1][0], end)
        else:
            self._pieces.append((start, end))
        self._size += end - start
        while self._pieces:
            first = self._pieces[0][1] - self._pieces[0][0]
            if self._size - first < held:
                break
            self._size -= first
            self._pieces.popleft()

    def start_of(self, held: int, end: int) -> int:
        """Return where the last ``held`` bytes begin, ``end`` if there are none."""
        for start, stop in reversed(self._pieces):
            if not held:
                break
            end = max(start, stop - held)
            held -= stop - end
        return end
