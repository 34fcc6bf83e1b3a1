"""Frames: a chunk of output encoded once, as the WebSocket message that every viewer is sent."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final, NamedTuple

from ptyd.journal.index import STDERR as STDERR_BYTES
from ptywire.message import OUTPUT, OUTPUT_HEADER, STDERR, output_header
from ptywire.websocket import binary_header

KEPT_BYTES: Final = 1 << 20
KEPT_FRAMES: Final = 256


class Frame(NamedTuple):
    """Journal bytes ``start`` to ``end`` as one WebSocket message."""

    start: int
    end: int
    data: bytes


def encode_frame(start: int, payload: bytes, kind: int, end: int | None = None) -> Frame:
    """Encode journal bytes of one index ``kind`` (TERMINAL, STDOUT or STDERR).

    ``end`` is the offset after them where the payload was edited, and its length tells nothing.
    """
    end = start + len(payload) if end is None else end
    message_kind = STDERR if kind == STDERR_BYTES else OUTPUT
    header = binary_header(OUTPUT_HEADER + len(payload)) + output_header(end, message_kind)
    return Frame(start, end, header + payload)


class Frames:
    """The newest frames, at most about a megabyte of them."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._size = 0

    def add(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._size += len(frame.data)
        while self._size > KEPT_BYTES or len(self._frames) > KEPT_FRAMES:
            self._size -= len(self._frames.pop(0).data)

    def clear(self) -> None:
        self._frames.clear()
        self._size = 0

    def at(self, offset: int) -> Frame | None:
        """Return the frame that starts at ``offset``."""
        if not self._frames:
            return None
        last = self._frames[-1]  # who keeps up wants the newest
        if last.start == offset:
            return last
        index = bisect_left(self._frames, offset, key=_start)
        found = index < len(self._frames) and self._frames[index].start == offset
        return self._frames[index] if found else None

    def boundary_after(self, offset: int) -> int | None:
        """Return where a reader at ``offset`` can join the shared frames, if it can."""
        if not self._frames:
            return None
        index = bisect_right(self._frames, offset, key=_start)
        if index == 0:
            return self._frames[0].start
        return max(self._frames[index - 1].end, offset)


def _start(frame: Frame) -> int:
    return frame.start
