"""How long ago, and what has become of a container, in docker's words."""

from __future__ import annotations

import time
from typing import Any, Final

STATUSES: Final = ("created", "restarting", "running", "removing", "paused", "exited", "dead")
"""Docker's; ours are among them."""

_UNITS: Final = (
    # (from how many of the smaller one on, the unit's seconds, its name)
    (2 * 365 * 86400, 365 * 86400, "years"),
    (60 * 86400, 30 * 86400, "months"),
    (14 * 86400, 7 * 86400, "weeks"),
    (48 * 3600, 86400, "days"),
    (7200, 3600, "hours"),
    (3600, 3600, "About an hour"),
    (120, 60, "minutes"),
    (60, 60, "About a minute"),
)


def ago(moment: float) -> str:
    """Return how long ago a Unix time is, as docker says it."""
    seconds = int(time.time() - moment)  # a clock that was set back makes it negative
    for least, length, name in _UNITS:
        if seconds >= least:
            return f"{seconds // length} {name}" if name.islower() else name
    if seconds < 1:
        return "Less than a second"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def status_of(fields: dict[str, Any]) -> str:
    """Return what ``ps`` says of a state."""
    status = fields["status"]
    if status in ("running", "paused"):
        up = f"Up {ago(fields['started'])}" if "started" in fields else "Up"
        return f"{up} (Paused)" if status == "paused" else up
    if status not in ("exited", "restarting"):
        return str(status).capitalize()
    code = fields.get("exit_status")
    word = status.capitalize()
    if code is None:
        return f"{word} (unknown)"
    since = f" {ago(fields['finished'])} ago" if fields.get("finished") is not None else ""
    return f"{word} ({code}){since}"


def stamp(moment: float | None) -> str:
    """Return a Unix time as docker's CreatedAt has it."""
    if moment is None:
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(moment))
