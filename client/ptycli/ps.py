"""``ptyd ps``: this user's containers, read from their files; nobody is asked or waited for."""

from __future__ import annotations

import shlex
import time
from typing import Any

from ptycli.arguments import Parser
from ptycli.container import Container, every
from ptykeep import state


def main(arguments: list[str]) -> int:
    parser = Parser("ps", "List running containers.", "ptyd ps [-a] [-q]")
    parser.add_argument("-a", "--all", action="store_true", help="those that have ended, too")
    parser.add_argument("-q", "--quiet", action="store_true", help="only ids")
    options = parser.parse_args(arguments)
    rows: list[tuple[str, ...]] = []
    for container in every():
        fields = container.read_state()
        if fields["status"] == "exited" and (fields.get("cgroup") or fields.get("runtime")):
            # Its keeper was killed, and what it had to remove is left.
            state.release_cgroup(container.directory, timeout=0)
        if fields["status"] == "exited" and not options.all:
            continue
        if options.quiet:
            print(container.id[:12])
        else:
            rows.append(describe(container, fields))
    if not options.quiet:
        print_table([("CONTAINER ID", "NAME", "COMMAND", "CREATED", "STATUS", "LISTENS"), *rows])
    return 0


def describe(container: Container, fields: dict[str, Any]) -> tuple[str, ...]:
    try:
        command = shlex.join(container.spec["process"]["args"])
    except (OSError, ValueError, KeyError):
        command = "?"  # half-written, or being removed
    created = ago(fields["created"]) + " ago" if "created" in fields else ""
    listens = [
        f"{listener['host']}:{listener['port']}" + ("/raw" if listener["dialect"] == "raw" else "")
        for listener in fields.get("listeners", ())
        if listener["dialect"] != "control" and fields["status"] != "exited"
    ]
    network: dict[str, Any] = fields.get("network") or {}
    listens += [
        f"{port['host']}:{port['port']}->{port['inside']}/{port['protocol']}"
        for port in network.get("ports", ())
    ]
    short = command if len(command) <= 30 else command[:29] + "…"
    return (
        container.id[:12],
        fields["name"],
        printable(short),
        created,
        status_of(fields),
        " ".join(listens),
    )


def status_of(fields: dict[str, Any]) -> str:
    if fields["status"] != "exited":
        return f"Up {ago(fields['started'])}" if "started" in fields else "Created"
    status = fields.get("exit_status")
    if status is None:
        return "Exited (unknown)"
    return f"Exited ({status}) {ago(fields['finished'])} ago"


def ago(moment: float) -> str:
    """Return how long ago a Unix time is, as docker says it."""
    seconds = max(0, int(time.time() - moment))
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= 2 * length or (unit == "second"):
            count = seconds // length
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "now"


def printable(text: str) -> str:
    """Return text that cannot drive the terminal it is printed on."""
    return "".join(char if char.isprintable() else "?" for char in text)


def print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("   ".join(cells).rstrip())
