"""Index records: what the bytes of a journal are, from which offset on, since when.

A record is written before the bytes that it labels and holds until the next one, so a kill between
the two leaves a record without bytes, which is harmless, and never bytes without a label. Records
are 32 bytes, a power of two: none crosses a page, so a kill cannot tear one.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

TERMINAL: Final = 1
STDOUT: Final = 2
STDERR: Final = 3
RESIZE: Final = 4
START: Final = 5
EXIT: Final = 6
GAP: Final = 7
TITLE: Final = 8

OUTPUT_KINDS: Final = frozenset((TERMINAL, STDOUT, STDERR))
"""Kinds that label bytes; the others mark a moment."""

_RECORD: Final = struct.Struct("!QQB3xII4x")
RECORD_SIZE: Final = _RECORD.size
BEYOND: Final = 1 << 64
"""Beyond every offset: an end that lets :func:`parse` return all."""


class Record(NamedTuple):
    """``kind`` holds from ``offset`` on; ``time_ns`` is Unix time.

    ``a`` and ``b``: rows and columns of a resize, the epoch of a start, the status of an exit.
    """

    offset: int
    time_ns: int
    kind: int
    a: int = 0
    b: int = 0


def pack(record: Record) -> bytes:
    return _RECORD.pack(*record)


def parse(data: bytes, end: int) -> list[Record]:
    """Return the records in an index file whose journal ends at ``end``.

    A torn last record and records beyond the end (both only after a power loss) are left out.
    """
    whole = len(data) - len(data) % RECORD_SIZE
    records = [Record(*fields) for fields in _RECORD.iter_unpack(data[:whole])]
    return [record for record in records if record.offset <= end]
