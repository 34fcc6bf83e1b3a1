"""A terminal emulator as ptyd wants it: bytes in, a picture out.

Everything that the native library must be told or kept from is told here: limits, sizes, the
switch to 132 columns, sequences without an end.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import Any, Final

from ptyd.screen.content import ALL
from ptyd.screen.cursor import NO_MARGINS, Margins
from ptyd.screen.ghostty import GhosttyError, Terminal, ffi, version
from ptyd.screen.grid import SPACERS, Grid
from ptyd.screen.mend import mend
from ptyd.screen.mode import ALLOW_132_COLUMNS, CURSOR_BLINKS
from ptyd.screen.recipe import UNSET_SHAPE, snapshot
from ptyd.screen.skim import skim

MAX_ROWS: Final = 1000
MAX_COLS: Final = 2000
"""Larger sizes are clamped: 65535 x 65535 takes the process down."""
DEFAULT_SCROLLBACK: Final = 1000
CONTINUATION: Final = 1 << 19
"""Bytes: a longer sequence has no effect. The library's default of 0 forbids snapshots in one."""
REPLIES: Final = 16 << 10
"""Bytes of replies kept until somebody takes them."""

CELL_HEIGHT: Final = 16
CELL_WIDTH: Final = 8
_SLACK: Final = 1200
"""Lines: history goes in pages of some 500 to 900, so to hold 1,000 more must be allowed."""
_STRING: Final = 256 << 10
"""Bytes of an APC or a clipboard write; the defaults are up to 64 MiB."""
_MAGIC: Final = b"ptydsnp2"
_HEADER: Final = struct.Struct("!8sI")  # magic, CRC-32 of what follows
_BODY: Final = struct.Struct("!IHB")  # scrollback, lengths of the version and of a cut character
# What UTF-8 lets a character begin with.
_OPEN_CHARACTER: Final = re.compile(
    rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z"
)
# A sequence that begins anew is not looked through twice: 64 KiB of 9B would take seconds.
_SETS_MODES: Final = re.compile(rb"(?:\x1b\[|\x9b)[^@-~\x9b]*h")

# What stands for a sequence longer than CONTINUATION: the same kind, with nothing it could do.
_STAND_IN: Final = {
    b"[": b"\x1b[0?",  # a private marker after a digit: ignored to its end (DEC STD 070)
    b"]": b"\x1b]99999;",
    b"P": b"\x1bP0?",
}


class Damaged(ValueError):
    """Not what :meth:`Emulator.encode` of this very library wrote."""


class Emulator:
    """One emulated terminal; not to be used by two callers at a time."""

    def __init__(
        self,
        rows: int,
        cols: int,
        scrollback: int = DEFAULT_SCROLLBACK,
        *,
        terminal: Terminal | None = None,
    ) -> None:
        # A decoded one is set up as well: limits and callbacks are no part of a native snapshot.
        self._terminal = terminal = terminal or Terminal.create(*clamp(rows, cols))
        self._size = terminal.size
        self._scrollback = scrollback
        self._cut = b""
        """The beginning of a character: the library could end it only by printing something."""
        self._replies = bytearray()
        terminal.set_number("CONTINUATION_MAX_BYTES", CONTINUATION)
        # The limit in bytes wins over the one in lines, and is 10,000 by default.
        _, cols = self._size
        lines = self._scrollback + _SLACK
        terminal.set_number("SCROLLBACK_MAX_BYTES", lines * (cols + 64) * 24 if lines else 0)
        terminal.set_number("SCROLLBACK_MAX_LINES", lines)
        blinks = terminal.mode(CURSOR_BLINKS)
        terminal.set_number("DEFAULT_CURSOR_STYLE", UNSET_SHAPE, "int")
        terminal.set_mode(CURSOR_BLINKS, value=blinks)  # the line before took it for a default
        terminal.set_number("KITTY_IMAGE_STORAGE_LIMIT", 0, "uint64_t")
        terminal.set_number("APC_MAX_BYTES", _STRING)
        terminal.set_number("CLIPBOARD_WRITE_MAX_BYTES", _STRING)
        # Queries for the default colours are answered only where there are some: xterm's.
        terminal.set_colour("COLOR_FOREGROUND", (255, 255, 255))
        terminal.set_colour("COLOR_BACKGROUND", (0, 0, 0))
        terminal.set_text("TERMINFO_NAME", b"xterm-256color")
        terminal.set_callback("WRITE_PTY", "GhosttyTerminalWritePtyFn", self._on_reply)
        terminal.set_callback("SIZE", "GhosttyTerminalSizeFn", self._on_size)
        self._opener = (terminal.continuation or b"")[1:2]

    def _on_reply(self, _terminal: Any, _data: Any, reply: Any, length: int) -> None:
        if len(self._replies) + length <= REPLIES:
            self._replies += ffi.buffer(reply, length)

    def _on_size(self, _terminal: Any, _data: Any, out: Any) -> bool:
        out.rows, out.columns = self._size
        out.cell_width, out.cell_height = CELL_WIDTH, CELL_HEIGHT
        return True

    def close(self) -> None:
        """Free the native terminal now."""
        self._terminal.close()

    @property
    def terminal(self) -> Terminal:
        """The native terminal, to be read and not to be changed."""
        return self._terminal

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._size

    @property
    def at_ground(self) -> bool:
        """Whether the last byte ended a sequence and a character."""
        return self._terminal.at_ground and not self._cut

    def skim(self, data: bytes) -> bool:
        """Take output as :meth:`feed` does, if it need not be drawn; else return False."""
        if not self.at_ground or Margins.of(self._terminal) != NO_MARGINS:
            return False
        # Twice: the library drops history a page at a time, and may hold more than its limit.
        rows, _ = self._size
        skimmed = skim(data, rows + 2 * (self._scrollback + _SLACK))
        if skimmed is not None:
            self._terminal.feed(skimmed)
        return skimmed is not None

    def feed(self, data: bytes) -> None:
        """Take output of the program.

        Nothing is fed with CSI ? 40 h in force, under any split: with it CSI ? 3 h would make the
        library change its size to 132 columns, and the terminal of the program and those of the
        viewers stay as they are.
        """
        if self._cut:
            data, self._cut = self._cut + data, b""
        if match := _OPEN_CHARACTER.search(data, max(0, len(data) - 3)):
            self._cut = match[0]
            data = data[: match.start()]
        at = 0
        while at < len(data) and not self._terminal.at_ground:
            # Where the sequence ends that an earlier piece began is the library's to know.
            at = self._feed_to(data, at, data.find(b"h", at) + 1 or len(data))
        for match in _SETS_MODES.finditer(data, at):
            at = self._feed_to(data, at, match.end())
        self._feed_to(data, at, len(data))
        if not self._terminal.at_ground:
            start = data.rfind(b"\x1b")
            if start >= 0:
                self._opener = data[start + 1 : start + 2]

    def _feed_to(self, data: bytes, start: int, end: int) -> int:
        self._terminal.feed(data[start:end])
        self._forbid_132_columns()
        return end

    def _forbid_132_columns(self) -> None:
        if self._terminal.mode(ALLOW_132_COLUMNS):
            self._terminal.set_mode(ALLOW_132_COLUMNS, value=False)
        if self._terminal.size != self._size:  # both in one sequence
            self._terminal.resize(*self._size, CELL_WIDTH, CELL_HEIGHT)

    def resize(self, rows: int, cols: int) -> None:
        """Change the size as the program's terminal did; it is clamped."""
        self._size = clamp(rows, cols)
        self._terminal.resize(*self._size, CELL_WIDTH, CELL_HEIGHT)

    def replies(self) -> bytes:
        """Return what a terminal would have answered to queries since the last call."""
        replies = bytes(self._replies)
        self._replies.clear()
        return replies

    def snapshot(
        self, scrollback: int = DEFAULT_SCROLLBACK, most: int = ALL, *, bare: bool = False
    ) -> bytes:
        """Return bytes that repaint a terminal of this size that has just been reset.

        ``scrollback`` is how many rows of history go before the screen. Raise TooLarge for more
        than ``most`` bytes; the characters alone (``bare``) are never too many.
        """
        self._abandon_endless()
        mend(self._terminal)
        return snapshot(self._terminal, scrollback, most - len(self._cut), bare=bare) + self._cut

    def _abandon_endless(self) -> None:
        """Replace a sequence that is too long to be repeated by one without effect."""
        if self._terminal.continuation is None:
            stand_in = _STAND_IN.get(self._opener, b"\x1b" + (self._opener or b"X"))
            self._terminal.feed(b"\x18" + stand_in)

    # What people and tools ask for

    @property
    def title(self) -> str:
        return self._terminal.text("TITLE").decode("utf-8", "replace")

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column, from 0."""
        return self._terminal.cursor

    def text(self) -> list[str]:
        """Return the rows of the screen, without blanks at their ends."""
        grid = Grid(self._terminal)
        rows = range(grid.scrollback, grid.total)
        return [
            "".join(c.text or " " for c in grid.cells(y) if c.width not in SPACERS).rstrip()
            for y in rows
        ]

    # Keeping a state

    def encode(self) -> bytes:
        """Return all there is, for :meth:`decode` of the same version of the library."""
        self._abandon_endless()
        mend(self._terminal)
        library = version().encode()
        body = _BODY.pack(self._scrollback, len(library), len(self._cut)) + library + self._cut
        body += self._terminal.encode()
        return _HEADER.pack(_MAGIC, zlib.crc32(body)) + body

    @classmethod
    def decode(cls, data: bytes) -> Emulator:
        """Return the emulator that ``data`` was made of; raise Damaged for anything else."""
        if len(data) < _HEADER.size + _BODY.size:
            raise Damaged("too short for a native snapshot")
        magic, crc = _HEADER.unpack_from(data)
        body = data[_HEADER.size :]
        if magic != _MAGIC or zlib.crc32(body) != crc:
            raise Damaged("not a native snapshot, or a damaged one")
        scrollback, length, cut_length = _BODY.unpack_from(body)
        library, body = body[_BODY.size : _BODY.size + length], body[_BODY.size + length :]
        if library != version().encode():
            raise Damaged("made by another version of libghostty")
        try:
            terminal = Terminal.decode(body[cut_length:])
        except GhosttyError as error:
            raise Damaged(str(error)) from None
        emulator = cls(*terminal.size, scrollback, terminal=terminal)
        emulator._cut = body[:cut_length]
        return emulator


def clamp(rows: int, cols: int) -> tuple[int, int]:
    return min(max(rows, 1), MAX_ROWS), min(max(cols, 1), MAX_COLS)
