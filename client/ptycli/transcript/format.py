"""What a format is, and the one that changes nothing but for the time before each line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ptyd.journal.index import Record


class Format(Protocol):
    """Takes a journal's items in order, returns the bytes of a file or stream.

    ``is_plain``: it changes no byte and adds none. ``has_streams``: standard error stays apart.
    """

    is_plain: bool
    has_streams: bool

    def feed(self, kind: int, time_ns: int, data: bytes) -> bytes:
        """Take bytes of one kind and moment."""
        ...

    def mark(self, record: Record) -> bytes:
        """Take a moment: a start, a resize, an exit."""
        ...

    def finish(self) -> bytes:
        """Return what is still held; nothing follows."""
        ...


class Raw:
    """The bytes as they were printed; with ``timestamps`` each line begins with its time."""

    def __init__(self, *, timestamps: bool) -> None:
        self.is_plain = not timestamps
        self.has_streams = True
        self._in_line: set[int] = set()

    def feed(self, kind: int, time_ns: int, data: bytes) -> bytes:
        if self.is_plain or not data:
            return data
        from ptycli.moment import stamp  # 3 ms, for who wants times

        prefix = stamp(time_ns).encode() + b" "
        begins = kind not in self._in_line
        ends = data.endswith(b"\n")
        (self._in_line.discard if ends else self._in_line.add)(kind)
        body = data[:-1] if ends else data
        body = body.replace(b"\n", b"\n" + prefix)
        return (prefix if begins else b"") + body + (b"\n" if ends else b"")

    def mark(self, record: Record) -> bytes:  # noqa: ARG002 - a Format
        return b""

    def finish(self) -> bytes:
        return b""
