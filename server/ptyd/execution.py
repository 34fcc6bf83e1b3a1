"""Requests for another program in the container: passed to the keeper, answered when it says."""

from __future__ import annotations

import io
import json
import os
import socket
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from ptykeep.protocol import EXEC_SINCE

Gift: TypeAlias = socket.socket | io.FileIO
"""What goes to the keeper with a request, and is closed here then."""
Request: TypeAlias = Callable[[dict[str, Any], Gift | None], None]

_FIELDS: Final = (
    *("key", "args", "env", "cwd", "user", "tty", "rows", "cols", "stdin", "foreground"),
    *("on_disconnect", "privileged"),
)
"""What the keeper reads; ``ptykeep.wish`` checks it."""


class Executions:
    """Who has asked for what and waits for the keeper."""

    def __init__(self, version: int, request: Request) -> None:
        """``version`` is the keeper's protocol."""
        self._able = version >= EXEC_SINCE
        self._request = request
        self._waiting: dict[int, Callable[[dict[str, Any]], None]] = {}
        self._last = 0

    def ask(self, fields: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
        """Ask the keeper; ``tell`` gets the event that answers, now or later."""
        if not self._able:
            reason = "its keeper is older than exec: start the container anew"
            tell({"event": "refused", "reason": reason, "exit_code": 125})
            return
        self._last += 1
        self._waiting[self._last] = tell
        wish = {name: fields[name] for name in _FIELDS if name in fields}
        # In a file: a packet holds little, a command line much.
        file = io.FileIO(os.memfd_create("ptyd-exec", os.MFD_CLOEXEC), "wb")
        file.write(json.dumps(wish).encode())
        self._request({"type": "exec", "request": self._last}, file)

    def answer(self, number: int, fields: dict[str, Any]) -> None:
        """Pass on what the keeper says of a request."""
        tell = self._waiting.pop(number, None)
        if tell is None:
            return
        if fields["type"] == "started":
            tell({"event": "started", "session": fields["session"]})
        else:
            names = ("stage", "errno", "exit_code")
            known = {name: fields.get(name) for name in names}
            tell({"event": "refused", "reason": fields.get("error"), **known})
