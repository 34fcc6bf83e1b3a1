"""What ends or interrupts an attachment, as exceptions; their text is a line for the user."""

from __future__ import annotations

from typing import Final

FAILED: Final = 125
"""Exit status when ptyc itself failed, as docker has it."""


class Refused(Exception):
    """The server, or its certificate, said no: trying again would not help.

    ``code`` is the HTTP status or the close code, 0 when there is none.
    """

    def __init__(self, line: str, code: int = 0) -> None:
        super().__init__(line)
        self.code = code


class Lost(Exception):
    """There is no connection, or not any more; another attempt may have one.

    ``vanished`` is true when nobody listens on a unix socket: the container is gone.
    """

    def __init__(self, line: str, *, vanished: bool = False) -> None:
        super().__init__(line)
        self.vanished = vanished


class Left(Exception):
    """The attachment is over at once, with this exit status and perhaps a line for the user."""

    def __init__(self, status: int, line: str = "") -> None:
        super().__init__(line)
        self.status = status


class Over(Left):
    """As :class:`Left`, but the server's doing: what it had sent is shown first.

    ``is_lost`` when the connection broke or there was none, and the server said nothing to it.
    """

    def __init__(self, status: int, line: str, *, is_lost: bool = False) -> None:
        super().__init__(status, line)
        self.is_lost = is_lost


def printable(text: str, limit: int = 300) -> str:
    """Return one line of ``text`` that cannot drive the terminal it is shown on."""
    lines = text.strip().splitlines()
    line = lines[0][:limit] if lines else ""
    return "".join(char if char.isprintable() else "?" for char in line)
