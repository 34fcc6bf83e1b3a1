"""The session: gathers the program's output, appends it once, and wakes whoever reads.

The path from the terminal waits for no reader. What is gathered is in the journal before anybody
sees it; then the readers are served in slices, so that input is never more than a slice away.
"""

from __future__ import annotations

import fcntl
import struct
import termios
import time
from typing import TYPE_CHECKING, Any, Final

from ptyd.journal.index import EXIT, RESIZE, START, Record
from ptyd.journal.intake import Intake, open_intakes
from ptyd.journal.journal import Full, Journal
from ptyd.screen.link import ScreenLink
from ptyd.session.audience import Audience
from ptyd.session.election import Election
from ptyd.session.input import Input
from ptyd.session.mark import Marks
from ptyd.session.output import Output
from ptyd.session.people import People
from ptyd.session.pictures import Pictures
from ptyd.session.position import Positions
from ptyd.session.resizing import Resizing
from ptywire.message import Event, encode
from ptywire.size import clamp
from ptywire.websocket import binary_frame

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ptyd.screen.link import Screens
    from ptyd.session.parting import Parting
    from ptyd.session.reader import Reader
    from ptywire.size import Size

LAST_OUTPUT: Final = 256 << 10
"""Bytes read after the program's exit: its own last bytes are at most 14 KB deep in the terminal,
and a grandchild may go on writing for ever."""
HOLD_LAG: Final = 256 << 10
"""Bytes that a holding reader may not have rendered before the program waits for it."""
HOLDER_WITHIN: Final = 5.0
"""Seconds that a holder who has started the program has to attach to it."""
RETRY_FULL: Final = 0.5
"""Seconds between two tries to write to a full disk."""
ANNOUNCE_AFTER: Final = 0.1
"""Seconds in which changes among the people are told together; a second for a crowd."""
CROWD: Final = 50


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
        awaits_holder: bool = False,
        screens: Screens | None = None,
    ) -> None:
        self.loop = loop
        self.number = int(fields["session"])
        self.epoch = int(fields["epoch"])
        self.tty = bool(fields["tty"])
        self.size = (int(fields["rows"]), int(fields["cols"]))
        self.status: int | None = None
        self.again = False
        """Another epoch is to follow: nobody is told that this is the end."""
        self.journal = Journal(f"{folder}/journal", log_max)
        self.journal.open_for_writing()
        self.audience = Audience(loop, self._on_served)
        self.output = Output(loop, self.journal, tty=self.tty, on_settled=self.audience.wake)
        self.marks = Marks()
        self.election = Election(self)
        self.people = People(one_driver=one_driver)
        self.sizes = Resizing(loop, size_policy, self.resize)
        self._announcing: asyncio.TimerHandle | None = None
        self.announcement = b""
        """The last one, for who could not take it."""
        kept = self.journal.kept_size
        link = ScreenLink(loop, self.journal.folder, self.size, kept, screens)
        self.pictures = Pictures(self, link)
        self.pty_fd = fds.get("pty", -1)
        input_fd = self.pty_fd if self.tty else fds.get("stdin", -1)
        self.input = Input(loop, input_fd, Positions(fds["input"]), tty=self.tty)
        self._intakes = open_intakes(self.journal, fds, spliced=spliced)
        self._reading = False
        self.full = False
        self._retrying: asyncio.TimerHandle | None = None
        self._is_unwritten = self._is_new = False  # that it has started
        self._delayed_size: Size | None = None  # there was no room to write it down
        self._exit_status: int | None = None
        self.on_ended: Callable[[], None] = lambda: None
        self.on_full: Callable[[], None] = lambda: None
        self.parting: Parting | None = None
        self._recover()
        if awaits_holder and self._is_new:
            self.audience.expect(self.journal.end)
            loop.call_later(HOLDER_WITHIN, self._expect_nobody)

    def _recover(self) -> None:
        """Learn what the last server had written down: sizes, the status, whether we are new."""
        started, size = False, self.size
        starts = {segment.start for segment in self.journal.segments}
        for record in self.journal.records():
            # Each segment repeats it: only the first begins the epoch.
            if record.kind == START and record.a == self.epoch and not started:
                started = True
                self._forget_epoch()
            elif record.kind == RESIZE:
                # Elsewhere it is news: of some that followed each other only the last is kept.
                if record.offset in starts and self.size == (record.a, record.b):
                    continue  # each segment repeats it
                self.size = (record.a, record.b)
            elif record.kind == EXIT:
                self.status = record.a
            self.marks.add(record)
        if started:
            return
        self._forget_epoch()
        self.size = size  # what is written down is of an earlier terminal
        self._is_unwritten = self._is_new = True
        try:
            self._write_start()
        except Full:
            self._set_full()

    def _write_start(self) -> None:
        """Write down that the program has started, if nobody has; raise Full."""
        if self._is_unwritten:
            self.journal.mark(START, self.epoch)
            if self.tty:
                self.journal.mark(RESIZE, *self.size)
            self._is_unwritten = False

    def _forget_epoch(self) -> None:
        """What was before this program's start is not its own."""
        self.marks = Marks()
        self.status = None

    def start(self) -> None:
        self._resume()
        for intake in self._intakes:
            self._on_output(intake)

    def close(self) -> None:
        """Give up what is not the keeper's: the session itself goes on without us."""
        self.election.close()
        self.pictures.close()
        self.journal.close()

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
        return self.audience.are_holders_behind(end, min(HOLD_LAG, self.journal.limit // 4))

    def _on_output(self, intake: Intake) -> None:
        if self.audience.is_being_served:
            return  # whoever keeps up comes before what is new
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
            if self.output.show(start, self.journal.end, framed=self.audience.wants_frames):
                self.pictures.answer()
            self.pictures.advance(self.journal.end)
            self.audience.wake()
        return moved

    def _on_served(self) -> None:
        if self._reading and self._is_held():
            self._resume()

    # Readers

    def add(self, reader: Reader) -> None:
        self.audience.add(reader)
        if reader.hold:
            self._resume()

    def _expect_nobody(self) -> None:
        self.audience.expect_nobody()
        self._resume()

    def remove(self, reader: Reader) -> None:
        self.audience.remove(reader)
        if not self.audience.wants_frames:
            self.output.frames.clear()
        self._resume()

    def on_typing(self, reader: Reader) -> None:
        """Serve who typed first, and let everybody know who it is."""
        self.audience.prefer(reader)
        self.sizes.touch(reader.number)
        self.election.touch(reader.number)
        if self.people.note_typing(reader.number):
            self.announce()

    def announce(self) -> None:
        """Tell everybody who is here, soon and once for several changes."""
        self.election.hold()  # whose turn it is decides whose terminal answers
        if self._announcing is None:
            delay = ANNOUNCE_AFTER if len(self.people) < CROWD else 10 * ANNOUNCE_AFTER
            self._announcing = self.loop.call_later(delay, self._announce)

    def _announce(self) -> None:
        self._announcing = None
        # Once for all: it is long, and so are they.
        self.announcement = binary_frame(encode(Event(self.people.describe())))
        self.audience.tell(self.announcement)

    def on_screen_progress(self) -> None:
        """The screen has come nearer: the program may go on."""
        if not self._reading:
            self._resume()

    def caught_up(self, reader: Reader) -> None:
        """Go on reading for a holder that has rendered something."""
        if reader.hold and not self._reading:
            self._resume()

    # Size

    def resize(self, rows: int, cols: int) -> None:
        """Set the terminal's size, an ordered event of the journal: where it is full, later."""
        size = clamp(rows, cols)
        self._delayed_size = None
        if not self.tty or self.status is not None or size == self.size:
            return
        try:
            self.marks.add(self.journal.mark(RESIZE, *size))
        except Full:
            self._delayed_size = size
            self._set_full()
            return
        self.size = size
        self.pictures.resized()
        fcntl.ioctl(self.pty_fd, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self.audience.wake()

    # End

    @property
    def is_over(self) -> bool:
        """Whether all is written down, and nothing follows."""
        return self.status is not None and not self.again

    def on_exit(self, status: int, *, again: bool = False) -> None:
        """The program has ended: read what it left, write the status down, tell everybody.

        Said once more without ``again``, the next epoch that was to follow does not.
        """
        was_to_follow, self.again = self.again, again
        if self.status is None:
            self._exit_status = status
            self._finish()
            return
        if was_to_follow and not again:  # those who were told so have not seen the end
            self.marks.add(Record(self.journal.end, time.time_ns(), EXIT, status))
        self.on_ended()
        self.audience.wake()

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
            self.output.settle()
            self.marks.add(self.journal.mark(EXIT, self._exit_status))
        except Full:
            self._set_full()
            return
        self.status = self._exit_status
        if self.parting is not None:
            self.parting.end()
        self._resume()
        self.input.close()
        self.on_ended()  # before anybody is told: who has the status may be gone at once
        self.audience.wake()

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
        try:
            self._write_start()
        except Full:
            self._set_full()
        for intake in self._intakes:
            if self._retrying is not None:
                return  # full as before: nobody needs to be told again
            self._gather(intake)
        if self._delayed_size is not None and self._retrying is None:
            self.resize(*self._delayed_size)
        if self._retrying is not None:
            return
        self.full = False
        self.on_full()
        self._resume()
        if self._exit_status is not None:
            self._finish()
