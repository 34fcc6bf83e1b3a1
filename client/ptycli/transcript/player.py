"""Plays a recording on the user's terminal, which is given back on every way out.

What was recorded is a stranger's bytes: the terminal gets of them what a viewer's does.
"""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from ptyc.guard import Guard
from ptyc.modes import Modes
from ptyc.terminal import Terminal, is_terminal
from ptycli.transcript.outlet import Outlet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ptycli.transcript.cast import Shown

_CTRL_C: Final = b"\x03"
_LONGEST_POLL: Final = 86400_000.0
"""Milliseconds; poll(2) takes an int of them, which is 24 days."""


class Pace(NamedTuple):
    """``speed`` times as fast, ``idle_limit`` seconds a wait at most, none before ``skip``."""

    speed: float = 1.0
    idle_limit: float | None = None
    skip: float = 0.0


class Stopped(Exception):
    """The user has seen enough."""


class Player:
    """Space pauses and goes on, a dot shows what comes next, q and ctrl-c end it."""

    def __init__(self) -> None:
        self._outlet = Outlet()
        self._terminal = Terminal(0) if is_terminal(0) and is_terminal(1) else None
        self._modes = Modes() if is_terminal(1) else None
        self._guard = Guard()
        self._guard.allow(watches=True, clipboard=False)
        self._keys = b""  # typed, and not acted on yet
        self._due = 0.0
        self._left: float | None = None  # seconds that were still to wait when it was paused

    def play(self, shown: Iterable[Shown], pace: Pace) -> None:
        """Show all of it; return at the end, or once the user wants no more."""
        if self._terminal is not None:
            self._terminal.make_raw()
        try:
            self._play(shown, pace)
        except Stopped:
            pass
        finally:
            try:
                if self._modes is not None and (off := self._modes.off()):
                    self._outlet.write(1, off)
            finally:
                if self._terminal is not None:
                    self._terminal.restore()

    def _play(self, shown: Iterable[Shown], pace: Pace) -> None:
        at = 0.0
        self._due = time.monotonic()
        for each in shown:
            limit = each.wait if pace.idle_limit is None else pace.idle_limit
            wait = min(each.wait, limit)
            at += wait
            self._wait(min(wait, max(0.0, at - pace.skip)) / pace.speed)
            self._show(each.data)

    def _show(self, data: bytes) -> None:
        if self._modes is not None:
            data = self._guard.feed(data)
            self._modes.feed(data)
        if data:
            self._outlet.write(1, data)

    def _wait(self, seconds: float) -> None:
        """Wait until something is due; keys may hold it up, or hurry it."""
        self._due += seconds
        poll = select.poll()
        if self._terminal is not None:
            poll.register(0, select.POLLIN)
        while True:
            now = time.monotonic()
            if now >= self._due and self._left is None:
                return
            rest = min((self._due - now) * 1000 + 1, _LONGEST_POLL)
            timeout = None if self._left is not None else rest
            if not self._keys and poll.poll(timeout):
                self._keys = self._read_keys()
            if self._keys and self._take_key():
                return

    def _read_keys(self) -> bytes:
        """Return what was typed; what begins with ESC is an answer to what was recorded."""
        keys = os.read(0, 4096)
        return b"" if keys.startswith(b"\x1b") else keys or _CTRL_C

    def _take_key(self) -> bool:
        """Act on a key; tell whether what comes next is to be shown now."""
        key, self._keys = self._keys[:1], self._keys[1:]
        if key in (_CTRL_C, b"q"):
            raise Stopped
        now = time.monotonic()
        if key == b"." and self._left is not None:
            self._due, self._left = now, 0.0
            return True
        if key == b" " and self._left is None:
            self._left = max(0.0, self._due - now)
        elif key == b" " and self._left is not None:
            self._due, self._left = now + self._left, None
        return False
