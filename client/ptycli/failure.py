"""What every verb may have to say: one line for the user. Nothing is loaded for it.

Beside ``arguments``, because argparse is a third of what a verb takes that only reads files.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing is not loaded for it, see ptylaunch.lean
if TYPE_CHECKING:
    from collections.abc import Iterable


MISTAKEN = 125
"""Exit code for flags that are wrong, docker's for all verbs."""


class Failure(Exception):
    """The command cannot go on; the message is one line for the user.

    Without an exit code of its own it has that of its verb.
    """

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def meant(word: str, known: Iterable[str]) -> str:
    """Return what a line about a mistake ends with: what may have been meant, or nothing."""
    from difflib import get_close_matches  # only for a mistake

    close = get_close_matches(word[:80], [*known][:10_000], n=1)
    return f", did you mean {close[0]}?" if close else ""


def printable(text: str, but: str = "") -> str:
    """Return text that cannot drive the terminal it is printed on; ``but`` characters stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in but else "?" for char in text)


def session_of(text: str) -> tuple[str, int]:
    """Split ``NAME[/N]``."""
    name, slash, number = text.partition("/")
    if slash and not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise Failure(f"{text}: a session is NAME/N, N a number")
    return name, int(number or 0)
