"""One request of an owner, asked without attaching: what it is answered with.

A server that dies meanwhile is asked again when there is another: a request that starts something
carries a ``key``, so that it is started once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ptyc.errand import Errand, run
from ptyc.fault import FAILED, Left
from ptyc.transport import resolve
from ptywire import message as wire

if TYPE_CHECKING:
    from ptyc.address import Target

_ANSWERS: Final = ("started", "refused")


def ask(target: Target, fields: dict[str, Any], within: float) -> dict[str, Any]:
    """Return the event that answers; raise Left, or Lost, when there is none in so many seconds."""
    question = _Question(target, fields)
    try:
        run(question, time.monotonic() + within)
    except TimeoutError:
        raise Left(FAILED, f"{target.label} does not answer") from None
    return question.answer


class _Question(Errand):
    """An errand whose first message is a request in place of an attach."""

    def __init__(self, target: Target, fields: dict[str, Any]) -> None:
        super().__init__(target, resolve(target), {})
        self.answer: dict[str, Any] = {}
        self._fields = fields

    def greeting(self) -> bytes:
        return wire.encode(wire.Request(self._fields))

    def take(self, message: wire.ServerMessage) -> None:
        if isinstance(message, wire.Event) and message.name in _ANSWERS:
            self.answer, self.is_done = message.fields, True

    def after_turn(self) -> None:
        if self.line.is_open and not self.line.is_attached:
            self.line.attached()  # the request is out: from here on a loss is one to come back from
