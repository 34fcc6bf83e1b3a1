"""How far each client's typing has got, kept where the death of this process cannot reach it.

The memfd belongs to the keeper. A slot is a client's 16 bytes, the position up to which input was
about to be written (``intent``) and up to which it surely was (``done``). Before a write the intent
goes up, after it ``done`` follows; a server that dies in between leaves a doubt, and the next one
takes the intent for true: input is typed at most once, and the client is told how much is in doubt.
"""

from __future__ import annotations

import os
import struct
from typing import Final, NamedTuple

_SLOT: Final = struct.Struct("!16sQQ")


class Place(NamedTuple):
    """A client's position in its own input, and how many bytes before it are in doubt."""

    position: int
    doubt: int


class Positions:
    """The table in the memfd, least recently used slots reused."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        count = os.fstat(fd).st_size // _SLOT.size
        table = os.pread(fd, count * _SLOT.size, 0)
        # Insertion order is order of use: the first key is the next to be reused.
        self._slots: dict[bytes, int] = {}
        self._places: dict[bytes, Place] = {}
        self._free: list[int] = []
        for number, (client, intent, done) in enumerate(_SLOT.iter_unpack(table)):
            # A client may have chosen to be called zero.
            if intent or client.strip(b"\0"):
                self._slots[client] = number
                self._places[client] = Place(intent, intent - done)
            else:
                self._free.append(number)

    def place(self, client: bytes) -> Place:
        """Return where ``client`` has got, in an earlier server's life too; zero for a stranger."""
        return self._places.get(client, Place(0, 0))

    def write(self, client: bytes, intent: int, done: int) -> None:
        number = self._slots.pop(client, None)
        if number is None:
            number = self._free.pop() if self._free else self._reuse()
        self._slots[client] = number
        self._places[client] = Place(intent, intent - done)
        os.pwrite(self._fd, _SLOT.pack(client, intent, done), number * _SLOT.size)

    def _reuse(self) -> int:
        oldest = next(iter(self._slots))
        del self._places[oldest]
        return self._slots.pop(oldest)
