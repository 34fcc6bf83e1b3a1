"""One segment of a journal: ``<start>.out``, its bytes, and ``<start>.idx``, what they are.

A file offset plus the segment's start is a journal offset, and the file's size is where the segment
ends, exactly, after every kill: so nothing is preallocated, and O_APPEND is not used (splice(2)
refuses it).
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from typing import Final

from ptyd.journal.index import OUTPUT_KINDS, RECORD_SIZE, Record, pack, parse

_DIGITS: Final = 20  # of the largest u64


class Segment:
    """Bytes ``start`` to ``end`` of a journal, stored in one file."""

    def __init__(self, folder: str, start: int) -> None:
        self.path = f"{folder}/{start:0{_DIGITS}d}"
        self.start = start
        self.end = start
        self.index_size = 0
        self._fd = -1
        self._index_fd = -1
        self._records: list[Record] | None = None

    @classmethod
    def create(cls, folder: str, start: int) -> Segment:
        """Create an empty one; raise OSError (ENOSPC) with nothing left behind."""
        segment = cls(folder, start)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        segment._fd = os.open(segment.path + ".out", flags, 0o600)
        try:
            segment._index_fd = os.open(segment.path + ".idx", flags, 0o600)
        except OSError:
            segment.remove()
            raise
        segment._records = []
        return segment

    @classmethod
    def load(cls, folder: str, start: int) -> Segment:
        """Return one that exists; its size says where it ends."""
        segment = cls(folder, start)
        segment.end = start + os.stat(segment.path + ".out").st_size
        try:
            segment.index_size = os.stat(segment.path + ".idx").st_size
        except FileNotFoundError:
            pass  # a kill between creating the two files
        return segment

    @property
    def kept_size(self) -> int:
        """Bytes of the state that the screen keeps beside it: another process comes and goes."""
        try:
            return os.stat(self.path + ".snap").st_size
        except FileNotFoundError:
            return 0

    def open_for_writing(self) -> None:
        """Go on with the last segment of an earlier server."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self.close()
        self._fd = os.open(self.path + ".out", flags, 0o600)
        self._index_fd = os.open(self.path + ".idx", flags, 0o600)
        records = self.records
        self.index_size = len(records) * RECORD_SIZE
        os.ftruncate(self._index_fd, self.index_size)

    @property
    def fd(self) -> int:
        """The bytes' file, opened when first wanted."""
        if self._fd < 0:
            self._fd = os.open(self.path + ".out", os.O_RDONLY | os.O_CLOEXEC)
        return self._fd

    @property
    def records(self) -> list[Record]:
        """The index, read when first wanted."""
        if self._records is None:
            try:
                with open(self.path + ".idx", "rb") as file:
                    self._records = parse(file.read(), self.end)
            except FileNotFoundError:
                self._records = []
        return self._records

    def add_record(self, record: Record, *, replace: bool = False) -> None:
        """Write one record, or the last anew; raise OSError (ENOSPC) with the index as it was."""
        if replace:
            os.pwrite(self._index_fd, pack(record), self.index_size - RECORD_SIZE)
            self.records[-1] = record
            return
        written = os.pwrite(self._index_fd, pack(record), self.index_size)
        if written != RECORD_SIZE:
            os.ftruncate(self._index_fd, self.index_size)
            raise OSError(errno.ENOSPC, "no space left for an index record")
        self.index_size += RECORD_SIZE
        self.records.append(record)

    def run_at(self, offset: int, default: int) -> tuple[int, int]:
        """Return the kind of the bytes at ``offset`` and where that kind ends.

        Where no record says, as after a power loss, the kind is ``default``.
        """
        records = self.records
        after = bisect_right(records, offset, key=lambda record: record.offset)
        before = after - 1
        while before >= 0 and records[before].kind not in OUTPUT_KINDS:
            before -= 1
        kind = records[before].kind if before >= 0 else default
        while after < len(records) and (
            records[after].kind == kind or records[after].kind not in OUTPUT_KINDS
        ):
            after += 1
        return kind, records[after].offset if after < len(records) else self.end

    def close(self) -> None:
        """Close the files; they are opened again when wanted."""
        for fd in (self._fd, self._index_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._index_fd = -1
        self._records = None

    def remove(self) -> None:
        """Delete the files; the bytes stay readable to whoever has them open."""
        self.close()
        for suffix in (".snap", ".idx", ".out"):
            try:
                os.unlink(self.path + suffix)
            except FileNotFoundError:
                pass


def starts(folder: str) -> list[int]:
    """Return the start offsets of the segments in a folder, in order."""
    return sorted(
        int(name[:_DIGITS])
        for name in os.listdir(folder)
        if name.endswith(".out") and name[:_DIGITS].isdecimal()
    )
