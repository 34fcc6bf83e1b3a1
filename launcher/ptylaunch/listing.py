"""The commands that only look: state, list and ps. They take no lock and print to stdout."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

from ptylaunch.errors import Refused
from ptylaunch.folder import Folder, default_root, list_ids
from ptylaunch.process import is_alive
from ptylaunch.record import (
    Record,
    everybody,
    oci_state,
    read_cgroup,
    read_record,
    status_of,
)

if TYPE_CHECKING:
    from argparse import Namespace

_COLUMNS: Final = ("id", "pid", "status", "bundle", "created", "owner")


def show_state(arguments: Namespace) -> int:
    with Folder.open(arguments.root, arguments.id) as folder:
        record = read_record(folder)
        print(json.dumps(oci_state(record, status_of(folder, record)), indent=2))
    return 0


def show_list(arguments: Namespace) -> int:
    if arguments.root != default_root() and not os.path.isdir(arguments.root):
        raise Refused(f"{arguments.root}: no such folder")  # a slip, where it was said
    found = list(filter(None, (_look(arguments.root, name) for name in list_ids(arguments.root))))
    if arguments.quiet:
        print("".join(f"{record.id}\n" for record, _ in found), end="")
    elif arguments.format == "json":
        entries = [_entry(record, status) for record, status in found]
        print(json.dumps(entries, separators=(",", ":")))  # as runc writes it
    else:
        entries = [_entry(record, status) for record, status in found]
        rows = [[str(entry[key]) for key in _COLUMNS] for entry in entries]
        print("".join(_aligned([[key.upper() for key in _COLUMNS], *rows])), end="")
    return 0


def show_processes(arguments: Namespace) -> int:
    with Folder.open(arguments.root, arguments.id) as folder:
        process, cgroup = read_record(folder).process, read_cgroup(folder)
    if not is_alive(process):
        raise Refused(f"container not running: {arguments.id}")
    pids = {each.pid for each in everybody(process, cgroup)}
    if arguments.format == "json":
        print(json.dumps(sorted(pids)))
        return 0
    options = arguments.ps[1:] if arguments.ps[:1] == ["--"] else arguments.ps
    for line in process_table(pids, options or ["-ef"]):
        print(line)
    return 0


def process_table(pids: set[int], options: list[str]) -> list[str]:
    """Return what the user's own ps says of some processes; its first line has the heads.

    Refused where there is no ps, or one that does not say which line is whose.
    """
    import subprocess  # only here: it is heavy

    # Alone "-o args" would choose the processes of our terminal; with "-ef" -q is a mistake.
    chosen = ["-q", ",".join(map(str, sorted(pids)))]
    for each in ([*options, *chosen], options):
        try:
            done = subprocess.run(
                ["ps", *each],  # noqa: S607 - the user's own ps
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                check=False, env={**os.environ, "COLUMNS": "1000"},
            )  # fmt: skip
        except FileNotFoundError:
            raise Refused("ps is not installed") from None
        if done.returncode == 0:
            break
    else:
        complaint: str = done.stderr.strip().partition("\n")[0] or "it failed"
        raise Refused(f"ps {' '.join(options)}: {complaint}")
    header, *lines = done.stdout.splitlines() or [""]
    if "PID" not in header.split():
        raise Refused("ps shows no column PID")
    column = header.split().index("PID")
    return [header, *(line for line in lines if _pid_of(line, column) in pids)]


def _pid_of(line: str, column: int) -> int:
    fields = line.split()
    return int(fields[column]) if len(fields) > column and fields[column].isdecimal() else -1


def _look(root: str, name: str) -> tuple[Record, str] | None:
    """Return a container and its status; None for one that comes or goes just now."""
    try:
        with Folder.open(root, name) as folder:
            record = read_record(folder)
            return record, status_of(folder, record)
    except (Refused, OSError):
        return None


def _entry(record: Record, status: str) -> dict[str, Any]:
    state = oci_state(record, status)
    keys = ("ociVersion", "id", "pid", "status", "bundle")  # in runc's order
    return {
        **{key: state[key] for key in keys},
        "created": record.created,
        "owner": _name_of(record.owner),
        "annotations": state["annotations"],
    }


def _name_of(uid: int) -> str:
    import pwd  # only here

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in rows
    ]
