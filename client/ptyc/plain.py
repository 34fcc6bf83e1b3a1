"""A terminal's output as plain text: without control sequences, whatever pieces it comes in."""

from __future__ import annotations

import codecs
import re
from typing import Final

# ECMA-48 section 5: CSI, the strings with their ends (ST, and BEL as in xterm), the other escapes.
_SEQUENCE: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b\x18\x1a]*(?:\x07|\x1b\\|[\x18\x1a])"
    r"|\x1b[ -/]*[0-Z\\`-~]"
    r"|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]"
)
_OPEN: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\x18\x1a]*\x1b?|[ -/]*)?\Z")
_BEFORE_END: Final = re.compile(r"\r+\n")
_AT_START: Final = re.compile(r"(?<=\n)\r+")
_SEVERAL: Final = re.compile(r"\r+")
LONGEST: Final = 1 << 16
"""Characters: a sequence without an end is not waited for any longer."""


class Plain:
    """Turns bytes into lines of text; what a return (CR) goes over is a line of its own."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._sequence = ""
        self._returns = ""
        self._in_line = False

    def feed(self, data: bytes) -> str:
        """Return the text of ``data``, but for what may be the beginning of something longer."""
        text = self._sequence + self._decoder.decode(data)
        cut = _OPEN.search(text)
        if cut is not None and len(text) - cut.start() <= LONGEST:
            text, self._sequence = text[: cut.start()], text[cut.start() :]
        else:
            self._sequence = ""
        return self._in_lines(self._returns + _SEQUENCE.sub("", text))

    def _in_lines(self, text: str) -> str:
        body = text.rstrip("\r")
        self._returns = text[len(body) :]
        if not self._in_line:
            body = body.lstrip("\r")
        body = _SEVERAL.sub("\n", _AT_START.sub("", _BEFORE_END.sub("\n", body)))
        if body:
            self._in_line = not body.endswith("\n")
        return body
