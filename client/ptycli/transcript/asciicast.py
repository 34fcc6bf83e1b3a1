"""asciicast v3 (docs.asciinema.org/manual/asciicast/v3): a header, then timed events, as JSON.

Output is Unicode there, for a terminal: bytes that are not UTF-8 become U+FFFD, newlines of a
program on pipes get the carriage return that a terminal would have given them. A time is the
distance to the event before; where the clock was set back it is 0.
"""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any, Final

from ptyd.journal.index import EXIT, RESIZE, START, TERMINAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ptyd.journal.index import Record

_MICROSECOND: Final = 1000  # nanoseconds


class Asciicast:
    """Makes a recording; ``about`` are more fields of the header, ``title`` and the like."""

    is_plain = False
    has_streams = False

    def __init__(
        self, about: Mapping[str, Any], *, term: str = "xterm-256color", rows: int, cols: int
    ) -> None:
        self._about = about
        self._term, self._rows, self._cols = term, rows, cols
        self._time_us: int | None = None
        self._decoders: dict[int, codecs.IncrementalDecoder] = {}
        self._exit: Record | None = None

    def feed(self, kind: int, time_ns: int, data: bytes) -> bytes:
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            self._decoders[kind] = decoder
        text = decoder.decode(data)
        if kind != TERMINAL:  # no terminal has made line ends of its newlines
            text = text.replace("\n", "\r\n")
        return self._begin(time_ns) + (self._event(time_ns, "o", text) if text else b"")

    def mark(self, record: Record) -> bytes:
        match record.kind:
            case kind if kind == RESIZE:
                rows, cols = record.a, record.b
                if self._time_us is None:  # the size it begins with
                    self._rows, self._cols = rows or self._rows, cols or self._cols
                    return b""
                return self._event(record.time_ns, "r", f"{cols}x{rows}")
            case kind if kind == EXIT:
                said, self._exit = self._end_epoch(), record
                return said + self._begin(record.time_ns)
            case kind if kind == START:
                return self._end_epoch()
            case _:
                return b""

    def mark_gap(self, size: int) -> bytes:
        """Return a marker for bytes that are missing here."""
        time_ns = (self._time_us or 0) * _MICROSECOND
        return self._begin(time_ns) + self._marker(time_ns, f"{size} bytes were dropped here")

    def finish(self) -> bytes:
        """Return the end: what is left of characters, and the exit of the last program."""
        if self._time_us is None:
            return self._begin(0)
        said = self._flush()
        if self._exit is not None:
            said += self._event(self._exit.time_ns, "x", str(self._exit.a))
        return said

    def _end_epoch(self) -> bytes:
        """An exit that another start follows is a marker: only the last one ends a recording."""
        if self._exit is None:
            return b""
        ended, self._exit = self._exit, None
        return self._marker(ended.time_ns, f"exited {ended.a}, started again")

    def _marker(self, time_ns: int, text: str) -> bytes:
        return self._flush() + self._event(time_ns, "m", text)

    def _begin(self, time_ns: int) -> bytes:
        if self._time_us is not None:
            return b""
        self._time_us = time_ns // _MICROSECOND
        term = {"cols": self._cols, "rows": self._rows, "type": self._term}
        seconds = {"timestamp": self._time_us // 10**6} if self._time_us else {}
        return _line({"version": 3, "term": term, **seconds, **self._about})

    def _flush(self) -> bytes:
        """Return what is left of characters that nobody ends."""
        text = "".join(decoder.decode(b"", final=True) for decoder in self._decoders.values())
        self._decoders = {}
        return self._event((self._time_us or 0) * _MICROSECOND, "o", text) if text else b""

    def _event(self, time_ns: int, code: str, text: str) -> bytes:
        time_us = time_ns // _MICROSECOND
        passed = max(0, time_us - (self._time_us or 0))
        self._time_us = time_us
        # By hand: a float would have an exponent at times.
        quoted = json.dumps(text, ensure_ascii=False)
        return f'[{passed // 10**6}.{passed % 10**6:06}, "{code}", {quoted}]\n'.encode()


def _line(fields: Mapping[str, Any]) -> bytes:
    # A command line or a title may be bytes that are no text (os.fsdecode).
    return json.dumps(fields, ensure_ascii=False).encode(errors="replace") + b"\n"
