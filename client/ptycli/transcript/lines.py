"""Formats of entries, one a line of the log: docker's json-file, kubernetes' CRI."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from ptycli.moment import stamp
from ptycli.transcript.entry import Entries, Entry
from ptyd.journal.index import STDERR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ptyd.journal.index import Record


class _Lines(ABC):
    """A format that writes entries."""

    is_plain = False
    has_streams = False

    def __init__(self) -> None:
        self._entries = Entries()

    def feed(self, kind: int, time_ns: int, data: bytes) -> bytes:
        return self._encode(self._entries.feed(kind, time_ns, data))

    def mark(self, record: Record) -> bytes:  # noqa: ARG002 - a Format
        return b""

    def finish(self) -> bytes:
        return self._encode(self._entries.finish())

    def _encode(self, entries: Iterable[Entry]) -> bytes:
        return b"".join(self.encode(entry) for entry in entries)

    @abstractmethod
    def encode(self, entry: Entry) -> bytes:
        """Return one entry as it is written."""


class JsonFile(_Lines):
    """Docker's json-file: one object a line; ``log`` of a part that goes on has no newline.

    JSON is Unicode: bytes that are not UTF-8 become U+FFFD, as docker has it.
    """

    def encode(self, entry: Entry) -> bytes:
        text = entry.data.decode("utf-8", "replace") + ("\n" if entry.is_whole else "")
        fields = {"log": text, "stream": _stream(entry.kind), "time": stamp(entry.time_ns)}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class Cri(_Lines):
    """Kubernetes' CRI: ``TIME STREAM F|P LINE``; P says that the line goes on in the next entry."""

    def encode(self, entry: Entry) -> bytes:
        tag = "F" if entry.is_whole else "P"
        head = f"{stamp(entry.time_ns)} {_stream(entry.kind)} {tag} "
        return head.encode() + entry.data + b"\n"


def _stream(kind: int) -> str:
    return "stderr" if kind == STDERR else "stdout"
