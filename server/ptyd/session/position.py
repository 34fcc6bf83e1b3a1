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
        self._count = os.fstat(fd).st_size // _SLOT.size
        table = os.pread(fd, self._count * _SLOT.size, 0)
        # Insertion order is order of use: the first key is the next to be reused.
        self._slots: dict[bytes, int] = {}
        self._places: dict[bytes, Place] = {}
        for number, (client, intent, done) in enumerate(_SLOT.iter_unpack(table)):
            if client.strip(b"\0"):
                self._slots[client] = number
                self._places[client] = Place(intent, intent - done)

    def place(self, client: bytes) -> Place:
        """Return where ``client`` had got when the last server died; zero for a stranger."""
        return self._places.get(client, Place(0, 0))

    def write(self, client: bytes, intent: int, done: int) -> None:
        number = self._slots.pop(client, None)
        if number is None:
            number = len(self._slots)
            if number >= self._count:
                number = self._slots.pop(next(iter(self._slots)))
        self._slots[client] = number
        os.pwrite(self._fd, _SLOT.pack(client, intent, done), number * _SLOT.size)
