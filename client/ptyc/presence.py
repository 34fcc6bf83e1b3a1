"""What the user is told of others, and asks of them, without harm to the program's screen.

News go to the title of the window, which is nobody's screen, at the next place between two
sequences. What the user asked for is drawn over the last rows: the server is told that nobody
looks (``visible`` 0), and the first key, or :data:`PANEL_FOR`, has it paint everything anew.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ptyc.company import Company
from ptyc.fault import printable
from ptyc.panel import draw
from ptywire import message as wire

if TYPE_CHECKING:
    from ptyc.display import Display
    from ptyc.hello import Hello
    from ptyc.keyboard import Keyboard
    from ptyc.line import Line
    from ptyc.user import User

WHO, DRIVE, GRANT = "w", "d", "g"
"""Commands, each a letter behind the prefix of the detach keys."""
PANEL_FOR: Final = 10.0
"""Seconds."""
_QUIET: Final = 3.0
"""Seconds after a reconnect in which others come back too."""
_SETTLED: Final = 1.0
"""Seconds after which a size is there to stay."""
_BELL_EVERY: Final = 2.0
_CHARACTER: Final = re.compile(rb"[\xc0-\xff][\x80-\xbf]+|[\x00-\xff]")


class Presence:
    """``names`` are the detach keys for people."""

    def __init__(
        self, line: Line, display: Display, user: User, keyboard: Keyboard, names: str
    ) -> None:
        self.company = Company()
        self._line, self._display = line, display
        self._user, self._keyboard, self._names = user, keyboard, names
        self._role = ""
        self._shows = False
        self._panel_until: float | None = None
        self._news: list[tuple[str, bool]] = []
        self._quiet_until = 0.0
        self._size = (0, 0)
        self._compare_at: float | None = None
        self._told_size = False
        self._rang_at = 0.0

    def deadlines(self) -> list[float | None]:
        """When :meth:`keep_time` wants to be called."""
        return [self._panel_until, self._compare_at, self._user.title.until]

    def attached(self, hello: Hello, now: float, *, again: bool, lossless: bool) -> None:
        """The server said hello; ``again`` after a lost connection."""
        self.company.begin(hello.id)
        self._role = hello.role
        self._shows = hello.tty and not lossless and self._user.modes is not None
        if again:
            self._quiet_until = now + _QUIET
        self.resized(hello.rows, hello.cols, now)
        if self._display.is_covered and self._panel_until is None:
            self._look()

    def resized(self, rows: int, cols: int, now: float) -> None:
        """The session has this size, or our window may have another."""
        if rows and cols:
            self._size = (rows, cols)
        if not self._told_size and self._shows:
            self._compare_at = now + _SETTLED

    def window_changed(self, now: float) -> None:
        self.resized(*self._size, now)

    def take_clients(self, fields: dict[str, Any], now: float) -> None:
        """Take a ``clients`` event."""
        # Who comes to drive, and never saw anybody ask, hears of all who do.
        asked = self.company.asking if self.company.may_grant else []
        self._tell(*self.company.take(fields, quiet=now < self._quiet_until))
        if self.company.may_grant:
            grant = f": {self._key(GRANT)} lets them" if self._key(GRANT) else ""
            for each in self.company.newly_asking(asked):
                self._tell(f"{each.name} asks to drive{grant}", urgent=True)
        self._listen()

    def take_refusal(self, fields: dict[str, Any]) -> None:
        """A request of ours was not good."""
        self._tell(printable(str(fields.get("reason", "refused"))))

    def _listen(self) -> None:
        """Take the command keys that mean something now; the rest is the program's."""
        letters = ""
        if self._shows:
            letters = WHO * (self.company.count > 1)
            if self.company.one_driver and self._role != "view":
                letters += DRIVE + GRANT
        self._keyboard.listen_for(letters)

    def typed(self, data: bytes, now: float) -> bytes:
        """Take note of what was typed; return what of it is for the program.

        The key that closes the panel is ours. What is more than a character is not: a paste, or a
        sequence, which may be an answer of the terminal's.
        """
        if self._panel_until is not None and _CHARACTER.fullmatch(data):
            data = b""
        self.close_panel()
        driver = self.company.driver
        if driver is None or self._role == "view" or not self.company.is_driven_by_another:
            return data
        if self._shows and now >= self._rang_at + _BELL_EVERY:
            self._rang_at = now
            ask = f": {self._key(DRIVE)} asks for the turn" if self._key(DRIVE) else ""
            self._tell(f"{driver.name} drives{ask}", urgent=True)
        return data

    def command(self, letter: str, now: float) -> None:
        """One of the command keys was typed."""
        if letter == WHO:
            self._open_panel(now)
        elif letter == DRIVE:
            if not self.company.is_driven_by_another:
                self._tell("you drive")
            elif (driver := self.company.driver) is not None:
                self._tell(f"asked {driver.name} for the turn")
            self._request(request="drive")
        elif not self.company.may_grant:
            self._tell("only who drives lets others drive")
        elif not self.company.asking:
            self._tell("nobody asks to drive")
        else:
            self._request(request="grant", id=self.company.asking[0].id)

    def keep_time(self, now: float) -> None:
        """Do what is due."""
        if self._panel_until is not None and now >= self._panel_until:
            self.close_panel()
        if self._compare_at is not None and now >= self._compare_at:
            self._compare_at = None
            self._compare_sizes()
        title = self._user.title
        if self._display.is_covered or not self._display.is_between_sequences:
            if title.until is not None and now >= title.until:
                title.until = now + _SETTLED  # later, then
            return
        if self._news:
            urgent = any(urgent for _, urgent in self._news)
            text = "; ".join(text for text, _ in self._news)
            self._news.clear()
            self._write(title.show(text, now, urgent=urgent))
        elif title.until is not None and now >= title.until:
            self._write(title.hide())

    # What is shown

    def cover(self, lines: list[str]) -> bool:
        """Draw ``lines`` over the last rows; return False where that cannot be."""
        window = self._user.window()
        if not self._shows or window is None:
            return False
        self._display.cover(draw(lines, window.rows, window.cols))
        return True

    def notice(self, text: str) -> None:
        """Say something in a line of its own."""
        self._display.notice(f"ptyc: {text}", raw=self._user.is_raw)

    def tell_of_silence(self, text: str) -> None:
        """Say why nothing comes, and how to leave.

        Where a program draws, a line at the cursor would stay: draw it where it is repaired.
        """
        text += f" ({self._names} to leave)" if self._keyboard.has_keys else ""
        modes = self._user.modes
        if modes is None or not modes.in_alternate or not self.cover([f"ptyc: {text}"]):
            self.notice(text)

    def close_panel(self) -> None:
        """Have everything painted anew, as soon as there is a connection."""
        if self._panel_until is not None:
            self._panel_until = None
            self._look()

    def forget_panel(self) -> None:
        """No picture will come: it is over."""
        self._panel_until = None
        self._display.uncover()

    def _open_panel(self, now: float) -> None:
        if not self._line.is_attached or self._display.is_covered:
            return
        if self.cover([self._sizes(), *self.company.lines(), self._help()]):
            self._line.send(wire.encode(wire.Visible(visible=False)))
            self._panel_until = now + PANEL_FOR

    def _look(self) -> None:
        if self._line.is_attached:
            self._line.send(wire.encode(wire.Visible(visible=True)))

    def _help(self) -> str:
        words = "any key goes on"
        if self.company.one_driver and self._role != "view":
            words = f"{self._key(DRIVE)} asks to drive, {self._key(GRANT)} lets who asks; {words}"
        return words

    def _sizes(self) -> str:
        rows, cols = self._size
        window = self._user.window()
        text = f"the session is {rows}x{cols}"
        if window is not None and window != (rows, cols):
            text += f", this window {window.rows}x{window.cols}"
        return f"ptyc: {self.company.count} here, {text}"

    def _compare_sizes(self) -> None:
        rows, cols = self._size
        window = self._user.window()
        if window is not None and rows and window != (rows, cols):
            self._told_size = True
            self._tell(f"the session is {rows}x{cols}, this window {window.rows}x{window.cols}")

    def _tell(self, *texts: str, urgent: bool = False) -> None:
        if self._shows:
            self._news += [(text, urgent) for text in texts]

    def _key(self, letter: str) -> str:
        key = self._keyboard.key_of(letter)
        return f"{self._names.rpartition(' ')[0]} {key}" if key else ""

    def _request(self, **fields: Any) -> None:
        self._line.send(wire.encode(wire.Request(fields)))

    def _write(self, data: bytes) -> None:
        if data:
            self._display.tell_terminal(data)
