"""The session: gathers the program's output, appends it once, and wakes whoever reads.

The path from the terminal waits for no reader. What is gathered is in the journal before anybody
sees it; then the readers are served in slices, so that input is never more than a slice away.
"""

from __future__ import annotations

import fcntl
import struct
import termios
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from ptyd.journal.index import EXIT, RESIZE, START, TERMINAL
from ptyd.journal.intake import Intake, open_intakes
from ptyd.journal.journal import Full, Journal
from ptyd.screen.link import ScreenLink
from ptyd.session.frame import Frame, Frames, encode_frame
from ptyd.session.input import Input
from ptyd.session.mark import Marks
from ptyd.session.people import People
from ptyd.session.pictures import Pictures
from ptyd.session.position import Positions
from ptyd.session.sizes import Sizes

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ptywire.size import Size

SLICE: Final = 0.002
"""Seconds of serving readers before input has its turn."""
CHUNK: Final = 64 << 10
"""Bytes at most in one message of output."""
LAST_OUTPUT: Final = 256 << 10
"""Bytes read after the program's exit: its own last bytes are at most 14 KB deep in the terminal,
and a grandchild may go on writing for ever."""
REPLAY: Final = 64 << 10
"""Bytes of history that stand for the screen."""
HOLD_LAG: Final = 256 << 10
"""Bytes that a holding reader may be behind before the program waits for it."""
RETRY_FULL: Final = 0.5
"""Seconds between two tries to write to a full disk."""
RESIZE_PAUSE: Final = 0.05
"""Seconds between two changes of size: a window that is dragged asks for hundreds."""
ANNOUNCE_AFTER: Final = 0.1
"""Seconds in which changes among the people are told together; a second for a crowd."""
CROWD: Final = 50


class Reader(Protocol):
    """Somebody who reads the journal: a place, and a push to go on from it."""

    cursor: int
    number: int
    hold: bool
    framed: bool

    def push(self) -> None:
        """Send what is new, as far as it goes without waiting."""

    def tell(self, fields: dict[str, Any]) -> None:
        """Send an event that has no place in the journal."""


class Session:
    """One program: its journal, its input, its size, its status, its readers."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        folder: str,
        fields: dict[str, Any],
        fds: dict[str, int],
        *,
        log_max: int,
        spliced: bool,
        size_policy: str | Size = "latest",
        one_driver: bool = False,
    ) -> None:
        self.loop = loop
        self.number = int(fields["session"])
        self.epoch = int(fields["epoch"])
        self.tty = bool(fields["tty"])
        self.size = (int(fields["rows"]), int(fields["cols"]))
        self.status: int | None = None
        self.journal = Journal(f"{folder}/journal", log_max)
        self.journal.open_for_writing()
        self.frames = Frames()
        self.marks = Marks()
        self.readers: list[Reader] = []
        self._holders: list[Reader] = []
        self.people = People(one_driver=one_driver)
        self._sizes = Sizes(size_policy)
        self._resize_timer: asyncio.TimerHandle | None = None
        self._announcing: asyncio.TimerHandle | None = None
        self.pictures = Pictures(self, ScreenLink(loop, self.journal.folder, self.size))
        self.pty_fd = fds.get("pty", -1)
        input_fd = self.pty_fd if self.tty else fds.get("stdin", -1)
        self.input = Input(loop, input_fd, Positions(fds["input"]), tty=self.tty)
        self._intakes = open_intakes(self.journal, fds, spliced=spliced)
        self._reading = False
        self._round: deque[Reader] = deque()
        self._another_round = False
        self.full = False
        self._retrying: asyncio.TimerHandle | None = None
        self._exit_status: int | None = None
        self.on_ended: Callable[[], None] = lambda: None
        self.on_full: Callable[[], None] = lambda: None
        self._recover()

    def _recover(self) -> None:
        """Learn what the last server had written down: sizes, the status, whether we are new."""
        started = False
        for record in self.journal.records():
            # Each segment repeats it: only the first begins the epoch.
            if record.kind == START and record.a == self.epoch and not started:
                started = True
                self._forget_epoch()
            elif record.kind == RESIZE:
                self.size = (record.a, record.b)
            elif record.kind == EXIT:
                self.status = record.a
            self.marks.add(record)
        if started:
            return
        self._forget_epoch()
        try:
            self.journal.mark(START, self.epoch)
            if self.tty:
                self.journal.mark(RESIZE, *self.size)
        except Full:
            self._set_full()

    def _forget_epoch(self) -> None:
        """What was before this program's start is not its own."""
        self.marks = Marks()
        self.status = None

    def start(self) -> None:
        self._resume()
        for intake in self._intakes:
            self._on_output(intake)

    # Output

    def _resume(self) -> None:
        """Read the program's output, unless somebody who may hold it does."""
        wanted = not self.full and self.status is None and not self._is_held()
        if wanted == self._reading:
            return
        self._reading = wanted
        for intake in self._intakes:
            if wanted:
                self.loop.add_reader(intake.fd, self._on_output, intake)
            else:
                self.loop.remove_reader(intake.fd)

    def _is_held(self) -> bool:
        end = self.journal.end
        if self.pictures.hold(end):
            return True
        # A small journal drops its oldest quarter at a time, and must not get as far as the reader.
        limit = min(HOLD_LAG, self.journal.limit // 4)
        return any(end - reader.cursor > limit for reader in self._holders)

    def _on_output(self, intake: Intake) -> None:
        if self._round:
            return  # whoever keeps up has not been served yet; the next slice is on its way
        self._gather(intake)
        if self._exit_status is not None:
            self._finish()

    def _gather(self, intake: Intake) -> int:
        """Append what there is and hand it on; return how many bytes."""
        start = self.journal.end
        try:
            intake.gather()
        except Full:
            self._set_full()
        moved = self.journal.end - start
        if moved:
            if any(reader.framed for reader in self.readers):
                self.frames.add(self._frame(start, self.journal.end))
            self.pictures.advance(self.journal.end)
            self.wake()
        return moved

    def _frame(self, start: int, end: int) -> Frame:
        kind = TERMINAL if self.tty else self.journal.run_at(start)[0]
        return encode_frame(start, self.journal.read(start, end - start), kind)

    def wake(self) -> None:
        """Serve every reader, the one that typed last first."""
        if self._round:
            self._another_round = True  # some have had their turn and do not know the news
        else:
            self._round.extend(self.readers)
            self._serve()

    def _serve(self) -> None:
        deadline = time.monotonic() + SLICE
        while self._round or self._another_round:
            if not self._round:
                self._another_round = False
                self._round.extend(self.readers)
                continue
            self._round.popleft().push()
            if (self._round or self._another_round) and time.monotonic() >= deadline:
                self.loop.call_soon(self._serve)
                return
        if self._reading and self._is_held():
            self._resume()

    def frame_at(self, offset: int, limit: int, room: int) -> Frame:
        """Return the message that goes on from ``offset``: the shared one where that fits.

        ``limit`` is the offset not to be passed, ``room`` the bytes that may be sent.
        """
        shared = self.frames.at(offset)
        if shared is not None and shared.end <= limit and shared.end - offset <= room:
            return shared
        end = min(limit, offset + room, offset + CHUNK)
        boundary = self.frames.boundary_after(offset)
        if boundary is not None and boundary > offset:
            end = min(end, boundary)
        if not self.tty:
            end = min(end, self.journal.run_at(offset)[1])
        return self._frame(offset, min(end, self.journal.segment_of(offset).end))

    def replay_start(self, size: int = REPLAY) -> int:
        """Return where a replay of at most ``size`` bytes begins: after a newline, if any."""
        start = max(self.journal.start, self.journal.end - size)
        if start == 0:
            return 0
        offset = start
        while offset < self.journal.end:
            chunk = self.journal.read(offset, size)
            newline = chunk.find(b"\n")
            if newline >= 0:
                return offset + newline + 1
            offset += len(chunk)
        return start

    # Readers

    def add(self, reader: Reader) -> None:
        self.readers.append(reader)
        if reader.hold:
            self._holders.append(reader)

    def remove(self, reader: Reader) -> None:
        if reader in self.readers:
            self.readers.remove(reader)
        if reader in self._holders:
            self._holders.remove(reader)
        if reader in self._round:
            self._round.remove(reader)
        if not any(other.framed for other in self.readers):
            self.frames.clear()
        self._resume()

    def prefer(self, reader: Reader) -> None:
        """Serve this one first from now on: it typed."""
        if self.readers and self.readers[0] is not reader:
            self.readers.remove(reader)
            self.readers.insert(0, reader)

    def on_typing(self, reader: Reader) -> None:
        """Serve who typed first, and let everybody know who it is."""
        self.prefer(reader)
        self._sizes.touch(reader.number)
        self._choose_size()
        if self.people.note_typing(reader.number):
            self.announce()

    def announce(self) -> None:
        """Tell everybody who is here, soon and once for several changes."""
        if self._announcing is None:
            delay = ANNOUNCE_AFTER if len(self.people) < CROWD else 10 * ANNOUNCE_AFTER
            self._announcing = self.loop.call_later(delay, self._announce)

    def _announce(self) -> None:
        self._announcing = None
        event = self.people.describe()
        for reader in list(self.readers):
            reader.tell(event)

    def on_screen_progress(self) -> None:
        """The screen has come nearer: the program may go on."""
        if not self._reading:
            self._resume()

    def caught_up(self, reader: Reader) -> None:
        """Go on reading for a holder that has read."""
        if reader.hold and not self._reading:
            self._resume()

    # Size

    def offer_size(self, client: int, rows: int, cols: int, *, owner: bool) -> None:
        """A controller's window has this size; 0 by 0: it does not count any more."""
        self._sizes.offer(client, rows, cols, owner=owner)
        self._choose_size()

    def withdraw_size(self, client: int) -> None:
        self._sizes.withdraw(client)
        self._choose_size()

    def set_size_policy(self, policy: str | Size) -> None:
        self._sizes.policy = policy
        self._choose_size()

    def _choose_size(self) -> None:
        """Set the size that the policy asks for, at most every RESIZE_PAUSE."""
        size = self._sizes.choose()
        if size is None or size == self.size or self._resize_timer is not None:
            return
        self._resize(*size)
        self._resize_timer = self.loop.call_later(RESIZE_PAUSE, self._on_resize_pause)

    def _on_resize_pause(self) -> None:
        self._resize_timer = None
        self._choose_size()

    def _resize(self, rows: int, cols: int) -> None:
        """Set the terminal's size, an ordered event of the journal."""
        if not self.tty or self.status is not None:
            return
        try:
            self.marks.add(self.journal.mark(RESIZE, rows, cols))
        except Full:
            self._set_full()
        self.size = (rows, cols)
        fcntl.ioctl(self.pty_fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.wake()

    # End

    def on_exit(self, status: int) -> None:
        """The program has ended: read what it left, write the status down, tell everybody."""
        if self.status is None:
            self._exit_status = status
            self._finish()
        else:
            self.on_ended()

    def _finish(self) -> None:
        """Read until nothing is left; end-of-file is never waited for, nor taken for the exit."""
        assert self._exit_status is not None
        if self.full or self.status is not None:
            return
        for intake in self._intakes:
            left = LAST_OUTPUT
            while left > 0 and (moved := self._gather(intake)):
                left -= moved
        if self.full:
            return
        try:
            self.marks.add(self.journal.mark(EXIT, self._exit_status))
        except Full:
            self._set_full()
            return
        self.status = self._exit_status
        self._resume()
        self.input.close()
        self.on_ended()  # before anybody is told: who has the status may be gone at once
        self.wake()

    # A full disk

    def _set_full(self) -> None:
        """Make room by dropping history; when there is none left, let the program wait."""
        if self._retrying is None:
            delay = 0 if self.journal.drop_oldest() else RETRY_FULL
            self._retrying = self.loop.call_later(delay, self._retry)
        if not self.full:
            self.full = True
            self._resume()
            self.on_full()

    def _retry(self) -> None:
        self._retrying = None
        for intake in self._intakes:
            self._gather(intake)
            if self._retrying is not None:
                return  # full as before: nobody needs to be told again
        self.full = False
        self.on_full()
        self._resume()
        if self._exit_status is not None:
            self._finish()
