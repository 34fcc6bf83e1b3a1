"""Whether what the user's terminal answers to queries is passed on to the program.

It is not while old queries are shown again, in history or in a picture, nor while the server has
another terminal answer. Nothing answers faster than it is asked, so what is dropped is old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ptyc.replies import ReplyFilter

if TYPE_CHECKING:
    from ptyc.keyboard import Keyboard
    from ptywire.detach import Fed

GRACE: Final = 0.1
"""Seconds after the history was written in which the terminal may still answer its queries."""


class Answers:
    """Switches the keyboard's filter; offsets are the journal's, times monotonic seconds."""

    def __init__(self, keyboard: Keyboard, *, terminal: bool) -> None:
        """``terminal`` when one types; what comes from a pipe is nobody's answer."""
        self.deadline: float | None = None
        self._keyboard = keyboard
        self._elected = True
        self._terminal = terminal
        self._until: int | None = None

    def elect(self, *, answers: bool) -> None:
        """The server has this terminal answer from here on, or another."""
        self._elected = answers
        if self._terminal and not answers and self._keyboard.replies is None:
            self._keyboard.replies = ReplyFilter(keys=True)

    def replay(self, end: int) -> None:
        """What is shown before the offset ``end`` was answered long ago."""
        if not self._terminal:
            return
        self._until = end
        self.deadline = None
        self._keyboard.replies = ReplyFilter()

    def keep_time(self, now: float, rendered: int) -> Fed | None:
        """Lift the filter when it is time; return what it had held back."""
        if self._until is not None:
            if self.deadline is None:
                if rendered >= self._until:
                    self.deadline = now + GRACE
                return None
            if now < self.deadline:
                return None
            self._until = self.deadline = None
        if self._keyboard.replies is None or (not self._elected and self._keyboard.replies.keys):
            return None
        held = self._keyboard.stop_filtering(now)
        if not self._elected:
            self._keyboard.replies = ReplyFilter(keys=True)
        return held
