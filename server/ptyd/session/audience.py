"""The audience: who reads a session, served in slices, the one that typed last first."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from ptyd.session.reader import Expected

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ptyd.session.reader import Reader

SLICE: Final = 0.002
"""Seconds of serving readers before input has its turn."""


class Audience:
    """The readers of one session, and those among them for whom the program waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_served: Callable[[], None]) -> None:
        self._loop = loop
        self._on_served = on_served
        self.readers: list[Reader] = []
        self.holders: list[Reader] = []
        self._round: deque[Reader] = deque()
        self._another_round = False

    @property
    def is_being_served(self) -> bool:
        """Whether some have not had their turn: the next slice is on its way."""
        return bool(self._round)

    @property
    def wants_frames(self) -> bool:
        return any(reader.framed for reader in self.readers)

    def are_holders_behind(self, end: int, most: int) -> bool:
        """Tell whether a holder has not rendered more than ``most`` bytes before ``end``."""
        return any(end - reader.rendered > most for reader in self.holders)

    def add(self, reader: Reader) -> None:
        self.readers.append(reader)
        if reader.hold:
            self.holders.append(reader)
            self.expect_nobody()

    def remove(self, reader: Reader) -> None:
        for place in (self.readers, self.holders, self._round):
            if reader in place:
                place.remove(reader)

    def expect(self, start: int) -> None:
        """Have the program held as if a holder were there who has rendered up to ``start``."""
        self.holders.append(Expected(start))

    def expect_nobody(self) -> None:
        """The expected holder is there, or will not come."""
        self.holders = [reader for reader in self.holders if not isinstance(reader, Expected)]

    def prefer(self, reader: Reader) -> None:
        """Serve this one first from now on: it typed."""
        if self.readers and self.readers[0] is not reader and reader in self.readers:
            self.readers.remove(reader)
            self.readers.insert(0, reader)

    def wake(self) -> None:
        """Serve every reader that does not come back by itself."""
        if self._round:
            self._another_round = True  # some have had their turn and do not know the news
        else:
            self._begin_round()
            self._serve()

    def _begin_round(self) -> None:
        self._round.extend([reader for reader in self.readers if not reader.waits])

    def _serve(self) -> None:
        deadline = time.monotonic() + SLICE
        while self._round or self._another_round:
            if not self._round:
                self._another_round = False
                self._begin_round()
                continue
            self._round.popleft().push()
            if (self._round or self._another_round) and time.monotonic() >= deadline:
                self._loop.call_soon(self._serve)
                return
        self._on_served()

    def tell(self, frame: bytes) -> None:
        """Send everybody an event that is encoded for all, in slices as well."""
        self._tell(deque(self.readers), frame)

    def _tell(self, readers: deque[Reader], frame: bytes) -> None:
        deadline = time.monotonic() + SLICE
        while readers:
            readers.popleft().tell_frame(frame)
            if readers and time.monotonic() >= deadline:
                self._loop.call_soon(self._tell, readers, frame)
                return
