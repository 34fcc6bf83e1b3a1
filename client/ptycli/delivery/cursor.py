"""How far a session's output has been delivered to one place: kept with the container, locked."""

from __future__ import annotations

import fcntl
import hashlib
import os
from typing import TYPE_CHECKING, Any, Self

from ptycli.failure import Failure
from ptykeep.state import read_json, write_json

if TYPE_CHECKING:
    from types import TracebackType


class Cursor:
    """``starts`` are the offsets from which on each kind of bytes is to be delivered.

    ``end`` is where everything else begins; ``place`` what the place has said of itself. A
    ``with`` block holds it: two deliveries to one place would deliver everything twice.
    """

    def __init__(self, directory: str, session: int, target: str) -> None:
        self._folder = f"{directory}/cursors"
        name = hashlib.sha256(f"{session} {target}".encode("utf-8", "surrogateescape"))
        self._path = f"{self._folder}/{name.hexdigest()[:16]}"
        self._target = target
        self._lock = -1
        self.starts: dict[int, int] = {}
        self.end = 0
        self.place: Any = None

    def __enter__(self) -> Self:
        os.makedirs(self._folder, 0o700, exist_ok=True)
        self._lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise Failure(f"it is being delivered to {self._target} already", 1) from None
        try:
            fields = read_json(f"{self._path}.json")
            self.starts = {int(kind): int(at) for kind, at in fields["starts"].items()}
            self.end, self.place = int(fields["end"]), fields["place"]
        except (OSError, ValueError, KeyError, AttributeError):
            pass  # nothing was delivered yet
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        os.close(self._lock)

    def save(self, starts: dict[int, int], end: int, place: Any) -> None:
        """Remember how far it is, whoever is killed from here on."""
        self.starts, self.end, self.place = starts, end, place
        fields = {"target": self._target, "starts": starts, "end": end, "place": place}
        try:
            write_json(f"{self._path}.json", fields)
        except FileNotFoundError:
            pass  # the container was removed
