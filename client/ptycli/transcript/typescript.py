"""script(1)'s typescript: a line, the bytes, a line; and beside it the timing that replays it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ptycli.moment import when
from ptyd.journal.index import EXIT, RESIZE, START

if TYPE_CHECKING:
    from ptyd.journal.index import Record


class Typescript:
    """Makes a typescript; :meth:`take_timing` is what scriptreplay(1) wants of the same bytes."""

    is_plain = False
    has_streams = False

    def __init__(self, command: str, *, term: str = "xterm-256color", rows: int, cols: int) -> None:
        self._command = command
        self._term, self._rows, self._cols = term, rows, cols
        self._time_ns = 0
        self._has_begun = False
        self._exit: Record | None = None
        self._timing: list[str] | None = None

    def keep_timing(self) -> None:
        """Keep what :meth:`take_timing` returns from now on: a line for each piece."""
        self._timing = []

    def feed(self, kind: int, time_ns: int, data: bytes) -> bytes:  # noqa: ARG002 - a Format
        said = self._begin(time_ns)
        passed_us = max(0, time_ns - self._time_ns) // 1000
        self._time_ns = time_ns
        if self._timing is not None:
            self._timing.append(f"{passed_us // 10**6}.{passed_us % 10**6:06} {len(data)}\n")
        return said + data

    def mark(self, record: Record) -> bytes:
        if record.kind == RESIZE and not self._has_begun:
            self._rows, self._cols = record.a or self._rows, record.b or self._cols
        elif record.kind == EXIT:
            self._exit = record
            return self._begin(record.time_ns)
        elif record.kind == START:
            self._exit = None
        return b""

    def finish(self) -> bytes:
        said = self._begin(self._time_ns)
        end_ns, code = self._time_ns, ""
        if self._exit is not None:
            end_ns, code = self._exit.time_ns, f' [COMMAND_EXIT_CODE="{self._exit.a}"]'
        return said + f"\nScript done on {when(end_ns).isoformat(' ')}{code}\n".encode()

    def take_timing(self) -> bytes:
        """Return the lines that say when the bytes since the last call were printed."""
        lines, self._timing = self._timing or [], []
        return "".join(lines).encode()

    def _begin(self, time_ns: int) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun, self._time_ns = True, time_ns
        about = {
            "COMMAND": self._command,
            "TERM": self._term,
            "COLUMNS": self._cols,
            "LINES": self._rows,
        }
        # Line breaks or quotes in a command would end the line or the value.
        clean = {name: str(value).replace('"', "'") for name, value in about.items()}
        fields = " ".join(f'{name}="{value}"' for name, value in clean.items())
        line = "".join(char if char.isprintable() else "?" for char in fields)
        return f"Script started on {when(time_ns).isoformat(' ')} [{line}]\n".encode()
