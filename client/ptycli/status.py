"""How long ago, and what has become of a container, in docker's words."""

from __future__ import annotations

import time
from typing import Any, Final

STATUSES: Final = ("created", "restarting", "running", "removing", "paused", "exited", "dead")
"""Docker's; ours are among them."""

_UNITS: Final = (
    # (up to how many hours, the unit's hours, its name)
    (48, 1, "hours"),
    (14 * 24, 24, "days"),
    (60 * 24, 7 * 24, "weeks"),
    (2 * 365 * 24, 30 * 24, "months"),
)


def ago(moment: float) -> str:
    """Return how long ago a Unix time is, as docker says it: from an hour on hours are rounded."""
    seconds = int(time.time() - moment)  # a clock that was set back makes it negative
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    if seconds < 3600:
        return f"{seconds // 60} minutes" if seconds >= 120 else "About a minute"
    hours = (seconds + 1800) // 3600
    if hours == 1:
        return "About an hour"
    for most, length, name in _UNITS:
        if hours < most:
            return f"{hours // length} {name}"
    return f"{seconds // (365 * 86400)} years"


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
