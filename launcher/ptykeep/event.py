"""What has happened to containers: a file that keepers and verbs append to, bounded, in ``events``.

A record is one JSON object between RFC 7464's record separator and a newline, written by one
write(2) with O_APPEND: what is torn by a full disk spoils no other. Past LARGEST bytes the file
becomes ``events.1`` in place of the one before. Nobody fails because an event cannot be noted.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from typing import Any, Final

LARGEST: Final = 1 << 20
"""Bytes of one of the two files: some four thousand events."""
SEPARATOR: Final = b"\x1e"
_LONGEST: Final = 200
"""Characters of a command."""
_ENDED: Final = ("exited", "restarting")


def note(data: str, action: str, fields: dict[str, Any], **attributes: str) -> None:
    """Note that ``action`` happened to the container that ``fields`` of its state describe."""
    summary: dict[str, Any] = fields.get("summary") or {}
    about = {**summary.get("labels", {}), "image": summary.get("image", ""), **attributes}
    record = {
        "time": time.time_ns(),
        "action": action,
        "id": fields["id"],
        "attributes": {**about, "name": fields.get("name", "")},
    }
    line = SEPARATOR + json.dumps(record).encode() + b"\n"
    path = f"{data}/events"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return
    try:
        os.write(fd, line)
        if os.fstat(fd).st_size > LARGEST:
            _turn(fd, path)
    except OSError:
        pass  # the disk is full
    finally:
        os.close(fd)


def _turn(fd: int, path: str) -> None:
    """Begin a new file, once: of two who find it full the later finds another there."""
    fcntl.flock(fd, fcntl.LOCK_EX)
    if os.stat(path).st_ino == os.fstat(fd).st_ino:
        os.rename(path, f"{path}.1")


def note_changes(data: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Note what two states of a container, one after the other, tell of what happened between.

    ``ending`` in a state is the order by which the program ends, ``stop`` or ``restart``.
    """
    old, new = before.get("status"), after["status"]
    if new in _ENDED and old not in _ENDED:
        if after.get("oom_killed"):
            note(data, "oom", after)
        note(data, "die", after, exitCode=str(after.get("exit_status")))
        if after.get("ending"):
            note(data, "stop", after)
    elif new == "paused" and old != new:
        note(data, "pause", after)
    elif new == "running" and old != new:
        note(data, "unpause" if old == "paused" else "start", after)
        if before.get("ending") == "restart":
            note(data, "restart", after)
    if after.get("name") != before.get("name"):
        note(data, "rename", after, oldName=before.get("name", ""))
    known: dict[str, dict[str, Any]] = before.get("sessions") or {}
    sessions: dict[str, dict[str, Any]] = after.get("sessions") or {}
    for number, session in sessions.items():
        if number not in known:
            command = " ".join(session["args"])[:_LONGEST]
            for action in ("exec_create", "exec_start"):  # docker's two, which are one here
                note(data, f"{action}: {command}", after, execID=number)
        if "finished" in session and "finished" not in known.get(number, {}):
            status = str(session.get("exit_status"))
            note(data, "exec_die", after, execID=number, exitCode=status)
