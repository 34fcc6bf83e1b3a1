"""The window: how much may be on its way to a viewer, so that Ctrl-C does not queue behind it.

What is in flight is kept near RESPONSE seconds of the viewer's own rate, measured from its acks the
way BBR does it (draft-cardwell-iccrg-bbr-congestion-control): bytes delivered over the time that
took, per message.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

RESPONSE: Final = 0.1
"""Seconds of a viewer's rate that may be in flight."""
FLOOR: Final = 8 << 10
CEILING: Final = 1 << 20
PATIENCE: Final = 0.25
"""Seconds of a viewer's rate that it may lag before it is shown a picture instead."""
GENEROUS: Final = 1 << 20
"""Bytes of lag allowed to a viewer whose rate is not known yet."""
FINE: Final = 64
"""Messages in flight that are told apart; of more, small ones are one with those before them."""
LEAST: Final = 2 << 10
"""Bytes below which sending waits for more room, or headers would dominate."""


class _Sent(NamedTuple):
    end: int  # journal offset after this message
    total: int  # bytes sent when it was
    delivered: int  # bytes delivered when it was sent
    delivered_at: float
    limited: bool  # the window was what held us back


class Window:
    """Accounting for one viewer. Times are seconds of a monotonic clock, given by the caller."""

    def __init__(self, *, lossless: bool, start: int = 0) -> None:
        """``start`` is the offset at which the viewer begins: it has what is before it."""
        self.lossless = lossless
        self._acked = start
        self.size = CEILING if lossless else FLOOR
        self.rate: float | None = None
        self._flight: deque[_Sent] = deque()
        self._sent = 0
        self._delivered = 0
        self._delivered_at: float | None = None
        self._limited = False

    @property
    def in_flight(self) -> int:
        return self._sent - self._delivered

    @property
    def room(self) -> int:
        """Bytes that may be sent now; 0 while it is too little to be worth a message."""
        room = self.size - self.in_flight
        if room >= min(LEAST, self.size // 2):
            return room
        self._limited = True
        return 0

    @property
    def patience(self) -> float:
        """Bytes of lag after which an interactive viewer is shown a snapshot."""
        return GENEROUS if self.rate is None else max(FLOOR, PATIENCE * self.rate)

    def on_sent(self, end: int, size: int, now: float) -> None:
        """Note that ``size`` bytes, up to offset ``end``, are on their way."""
        if end <= self._acked:
            return  # a picture of where the viewer is: who tells of progress has none to tell of
        if self._delivered_at is None or not self._flight:
            self._delivered_at = now
        self._sent += size
        if len(self._flight) >= FINE and self._sent - self._flight[-2].total <= self.size // FINE:
            # Of a byte each they would cost a hundred times their size.
            self._flight[-1] = self._flight[-1]._replace(end=end, total=self._sent)
            return
        self._flight.append(
            _Sent(end, self._sent, self._delivered, self._delivered_at, self._limited)
        )
        self._limited = False

    def on_ack(self, offset: int, now: float) -> None:
        """Note that everything before ``offset`` is rendered; the future counts as all."""
        newest: _Sent | None = None
        while self._flight and self._flight[0].end <= offset:
            newest = self._flight.popleft()
        if newest is None:
            return
        self._acked = newest.end
        self._delivered = newest.total
        self._delivered_at = now
        took = now - newest.delivered_at
        if took > 0:
            self._on_sample((newest.total - newest.delivered) / took, limited=newest.limited)

    def _on_sample(self, sample: float, *, limited: bool) -> None:
        if self.rate is None:
            self.rate = sample
        elif sample > self.rate or limited:
            # A low sample while we had nothing to send says nothing about the viewer.
            self.rate += (sample - self.rate) / 4
        if not self.lossless:
            self.size = int(min(max(RESPONSE * self.rate, FLOOR), CEILING))
