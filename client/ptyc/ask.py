"""One request of an owner, asked without attaching: what it is answered with.

A server that dies meanwhile is asked again when there is another: a request that starts something
carries a ``key``, so that it is started once.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any, Final

from ptyc.fault import FAILED, Left, printable
from ptyc.line import Line
from ptyc.transport import resolve
from ptywire import message as wire

if TYPE_CHECKING:
    from ptyc.address import Target

_ANSWERS: Final = ("started", "refused")


def ask(target: Target, fields: dict[str, Any], within: float) -> dict[str, Any]:
    """Return the event that answers; raise Left, or Lost, when there is none in so many seconds."""
    greeting = wire.encode(wire.Request(fields))
    line = Line(target, resolve(target), lambda: greeting)
    deadline = time.monotonic() + within
    line.dial()
    try:
        while (answer := _turn(line, deadline)) is None:
            if time.monotonic() >= deadline:
                raise Left(FAILED, f"{target.label} does not answer")
        return answer
    finally:
        line.hang_up(0)


def _turn(line: Line, deadline: float) -> dict[str, Any] | None:
    due = [at for at in line.deadlines(deaf=False) if at is not None]
    poll = select.poll()
    wanted = line.wants(deaf=False)
    if wanted is not None:
        poll.register(*wanted)
    left = min([*due, deadline]) - time.monotonic()
    if not line.has_more:
        poll.poll(max(0.0, left) * 1000 + 1)
    messages, ended = line.receive()
    if line.is_open and not line.is_attached:
        line.attached()  # the request is out: from here on a loss is one to come back from
    for data in messages:
        match wire.decode_server(data):
            case wire.Event(fields) if fields.get("event") in _ANSWERS:
                return fields
            case wire.Violation(reason):
                raise Left(FAILED, f"the server sent a malformed message: {printable(reason)}")
            case _:
                pass
    if ended is not None:
        line.closed(ended)
    line.keep_time(time.monotonic(), deaf=False)
    return None
