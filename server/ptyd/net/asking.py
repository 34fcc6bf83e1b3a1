"""An owner's requests for other programs in the container, and the answers that are due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ptyd.session.people import OWNER
from ptywire.message import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from ptyd.container import Container


class Asking:
    """One connection's. It need not attach while an answer is due."""

    def __init__(self, container: Container, send: Callable[[Event], None]) -> None:
        self._container = container
        self._send = send
        self._due = 0
        self._closed = False

    @property
    def is_due(self) -> bool:
        return self._due > 0

    def ask(self, fields: dict[str, Any], role: str) -> None:
        if role != OWNER:
            self._send(Event({"event": "refused", "reason": "only the owner may start programs"}))
            return
        self._due += 1
        self._container.executions.ask(fields, self._tell)

    def _tell(self, fields: dict[str, Any]) -> None:
        self._due -= 1
        if not self._closed:
            self._send(Event(fields))

    def close(self) -> None:
        """The connection is gone; what was asked for comes about all the same."""
        self._closed = True
