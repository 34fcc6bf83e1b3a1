"""``ptyd events``: what happens to containers, and what has; read from the file of events."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from ptycli.arguments import Parser, printable
from ptycli.filter import add_filter, has_label, parse_filters
from ptycli.listing import Listing
from ptycli.moment import moment, stamp
from ptykeep import state
from ptykeep.event import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

USAGE: Final = "ptyd events [--since TIME] [--until TIME] [-f KEY=VALUE]… [--format FORMAT]"
KEYS: Final = ("container", "event", "image", "label", "type")
_PAUSE: Final = 0.1
"""Seconds between two looks at the file."""


def main(arguments: list[str]) -> int:
    parser = Parser("events", "Show what happens to containers.", USAGE)
    parser.add_argument("--since", metavar="TIME", help="from then on; default: from now on")
    parser.add_argument("--until", metavar="TIME", help="up to then; default: for ever")
    add_filter(parser, KEYS)
    parser.add_argument("--format", default="", help="json, or a template, '{{.Action}}'")
    options = parser.parse_args(arguments)
    now = time.time_ns()
    since = now if options.since is None else moment(options.since, now)
    until = None if options.until is None else moment(options.until, now)
    filters = parse_filters(options.filter, KEYS)
    listing = Listing(options.format, {}, ()) if options.format else None
    for record in records(state.directories().data, until):
        when: int = record["time"]
        if when < since or (until is not None and when > until) or not passes(record, filters):
            continue
        if listing is not None:
            listing.show_one(describe(record))
        else:
            print(line_of(record))
        sys.stdout.flush()
    return 0


def records(data: str, until: int | None) -> Iterator[dict[str, Any]]:
    """Yield what is noted and, until that moment or for ever, what comes."""
    path = f"{data}/events"
    yield from _read_all(f"{path}.1")
    fd, rest = -1, b""
    try:
        while True:
            over = until is not None and time.time_ns() > until
            if fd < 0:
                fd = _open(path)
            while fd >= 0 and (piece := os.read(fd, 1 << 16)):
                *lines, rest = (rest + piece).split(b"\n")
                yield from _parse(lines)
            if fd >= 0 and _has_turned(fd, path):
                os.close(fd)
                fd, rest = -1, b""
                continue
            if over:
                return
            time.sleep(_PAUSE)
    finally:
        if fd >= 0:
            os.close(fd)


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1


def _has_turned(fd: int, path: str) -> bool:
    """Tell whether a new file has been begun, and there is nothing more in this one."""
    try:
        is_other = os.stat(path).st_ino != os.fstat(fd).st_ino
    except FileNotFoundError:
        return False  # just now
    return is_other and os.lseek(fd, 0, os.SEEK_CUR) == os.fstat(fd).st_size


def _read_all(path: str) -> list[dict[str, Any]]:
    try:
        with open(path, "rb") as file:
            return _parse(file.read().split(b"\n"))
    except FileNotFoundError:
        return []


def _parse(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the whole records; what is torn is passed over."""
    found: list[dict[str, Any]] = []
    for line in lines:
        try:
            record: Any = json.loads(line.rpartition(SEPARATOR)[2])
            if isinstance(record["time"], int) and isinstance(record["attributes"], dict):
                found.append(record)
        except (ValueError, TypeError, KeyError):
            continue
    return found


def passes(record: dict[str, Any], filters: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether a record is of those that were asked for."""
    attributes: dict[str, str] = record["attributes"]
    identity: str = record["id"]
    for key, values in filters.items():
        match key:
            case "container":
                ok = any(
                    value == attributes.get("name") or (value and identity.startswith(value))
                    for value in values
                )
            case "event":
                ok = record["action"].partition(":")[0] in values
            case "label":
                ok = all(has_label(attributes, value) for value in values)
            case _:
                ok = (attributes.get("image", "") if key == "image" else "container") in values
        if not ok:
            return False
    return True


def describe(record: dict[str, Any]) -> dict[str, Any]:
    """Return docker's fields."""
    action: str = record["action"]
    return {
        "status": action,
        "id": record["id"],
        "from": record["attributes"].get("image", ""),
        "Type": "container",
        "Action": action,
        "Actor": {"ID": record["id"], "Attributes": record["attributes"]},
        "scope": "local",
        "time": record["time"] // 10**9,
        "timeNano": record["time"],
    }


def line_of(record: dict[str, Any]) -> str:
    said = ", ".join(f"{key}={value}" for key, value in sorted(record["attributes"].items()))
    line = f"{stamp(record['time'])} container {record['action']} {record['id']} ({said})"
    return printable(line)
