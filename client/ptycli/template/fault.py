"""What is wrong with a template, or with what it asks of the data."""

from __future__ import annotations

from ptycli.arguments import Failure

_LONGEST = 60
"""Characters of a template that an error repeats."""


class Fault(Failure):
    """One line for the user; exit code 1, as docker's."""

    def __init__(self, message: str) -> None:
        super().__init__(f"--format: {message}", 1)


def quoted(text: str) -> str:
    """Return a piece of a template so that a line of an error stays one line."""
    shown = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return ascii(shown)
