"""The journal of one session as it is kept on disk, and when there is nothing more to come."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Any, Final

from ptycli.container import find
from ptycli.failure import Failure, session_of
from ptyd.journal.index import BEYOND, EXIT, RECORD_SIZE, START, parse
from ptyd.journal.reader import Reader
from ptyd.journal.segment import starts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ptycli.container import Container
    from ptyd.journal.reader import Extent
    from ptyd.journal.watch import Watch

PATIENCE: Final = 20.0
"""Seconds that a server may take to write down what a program printed last."""
LAST_WORDS: Final = 3.0
"""Seconds in which a server whose keeper was killed has written down what there is."""


class Source:
    """One session; raise Failure where there is none."""

    def __init__(self, reference: str) -> None:
        name, self.session = session_of(reference)
        self.reference = reference
        self.container: Container = find(name)
        self.folder = f"{self.container.directory}/sessions/{self.session}/journal"
        if self.session and not os.path.isdir(self.folder):
            raise Failure(f"{reference}: there is no such session")
        self.reader = Reader(self.folder)
        self.is_cut = False
        """Whether what was printed last is missing: no server wrote it down in time."""
        self._waits_since: float | None = None
        self._watch: Watch | None = None
        self._watched = ""

    @property
    def lost_words(self) -> str:
        """What to say where :attr:`is_cut`."""
        return f"no server of {self.reference} comes: its last words may be missing"

    def new_reader(self) -> Reader:
        """Return another cursor, at the oldest byte held."""
        return Reader(self.folder)

    def extents(
        self, *, follow: bool, until_ns: int | None = None, out: int = 1
    ) -> Iterator[Extent]:
        """Yield what there is; with ``follow`` also what comes, until the program's end.

        Following also ends once the clock has passed ``until_ns``, and with BrokenPipeError once
        nobody reads the descriptor ``out`` any more, where all this is written to.
        """
        try:
            while True:
                # Asked before reading: what was written until then is read.
                late = until_ns is not None and time.time_ns() > until_ns
                over = self._is_over(follow=follow) or late
                limit = self.reader.end()  # or a program could print faster than we read
                while (extent := self.reader.take(limit=limit, final=over)) is not None:
                    yield extent
                if over:
                    return
                self._wait(out)
        finally:
            self.reader.close()
            if self._watch is not None:
                self._watch.close()

    def _is_over(self, *, follow: bool) -> bool:
        """Tell whether all that is ever asked for is in the files."""
        if not os.path.isdir(self.container.directory):
            return True  # removed
        fields = self.container.read_state()
        keeper = self.container.keeper_pid
        if keeper is not None and not self._has_ended(fields) and not follow:
            return True
        if has_exit(self.folder, 1 if self.session else fields.get("epoch", 1)):
            return bool(fields["status"] != "restarting" or not follow)
        if keeper is not None and not self._has_ended(fields):
            self._waits_since = None
            return False
        # It has ended, and its server has not written everything down yet, or never will.
        now = time.monotonic()
        self._waits_since = self._waits_since or now
        patience = PATIENCE if keeper is not None else LAST_WORDS
        server = fields.get("server_pid")
        if keeper is None and not (server and os.path.exists(f"/proc/{server}")):
            return True
        self.is_cut = now - self._waits_since > patience
        return self.is_cut

    def has_ended(self) -> bool:
        """Tell whether the program has ended, so that nothing more comes of it."""
        return self._has_ended(self.container.read_state())

    def _has_ended(self, fields: dict[str, Any]) -> bool:
        if fields["status"] == "exited" or not self.session:
            return bool(fields["status"] == "exited")
        session = fields.get("sessions", {}).get(str(self.session))
        return session is None or "finished" in session

    def _wait(self, out: int) -> None:
        """Wait until there may be more; raise BrokenPipeError if nobody reads ``out``."""
        folder = self.folder if os.path.isdir(self.folder) else self.container.directory
        if folder != self._watched:  # the journal has come since
            if self._watch is not None:
                self._watch.close()
            from ptyd.journal.watch import Watch  # ctypes, for who waits

            self._watch, self._watched = Watch(folder), folder
            self._watch.watch_reader(out)
            return  # it may have grown before we watched
        assert self._watch is not None
        if self._watch.wait():
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def has_exit(folder: str, epoch: int) -> bool:
    """Tell whether the last word of a journal is the exit of that epoch's program, or a later."""
    try:
        fd = os.open(f"{folder}/{starts(folder)[-1]:020}.idx", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, IndexError):
        return False
    try:
        # Who follows asks at every wake: of however many records the last one says no.
        size = os.fstat(fd).st_size // RECORD_SIZE * RECORD_SIZE
        last = parse(os.pread(fd, RECORD_SIZE, max(0, size - RECORD_SIZE)), BEYOND)
        if not last or last[0].kind != EXIT:
            return False
        records = parse(os.pread(fd, size, 0), BEYOND)
    finally:
        os.close(fd)
    begun = [record.a for record in records if record.kind == START]
    return not begun or begun[-1] >= epoch
