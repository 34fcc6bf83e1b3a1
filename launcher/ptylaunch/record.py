"""What is written down of a container when it is created, and the status that follows from it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ptylaunch.errors import Refused
from ptylaunch.freezer import is_paused, processes
from ptylaunch.placement import Cgroup
from ptylaunch.process import Process, identify, is_alive, members
from ptylaunch.start import is_awaited

if TYPE_CHECKING:
    from ptylaunch.folder import Folder

_STATE = "state.json"
_CONFIG = "config.json"
_CGROUP = "cgroup.json"


class Record(NamedTuple):
    """One container. ``created`` is RFC 3339 in UTC, ``owner`` the uid that created it."""

    id: str
    bundle: str
    version: str
    process: Process
    created: str
    owner: int
    annotations: dict[str, str]


def describe(name: str, bundle: str, spec: dict[str, Any], pid: int) -> Record:
    """Return the record of a container whose pid 1 has just been made."""
    return Record(
        name,
        os.path.abspath(bundle),
        spec["ociVersion"],
        identify(pid),
        utc_now(),
        os.geteuid(),
        spec.get("annotations") or {},
    )


def write_record(folder: Folder, record: Record, spec: dict[str, Any]) -> None:
    """Write both files; state.json comes last, with it the container exists."""
    write_config(folder, spec)
    folder.write(_STATE, {**record._asdict(), "process": record.process._asdict()})


def read_record(folder: Folder) -> Record:
    """Return what was written; Refused when it never was, or is not whole."""
    try:
        fields = folder.read(_STATE)
        process = Process(**fields.pop("process"))
        return Record(process=process, **fields)
    except FileNotFoundError:
        raise Refused(f"{folder.path}: its creation was never completed") from None
    except (KeyError, TypeError):
        raise Refused(f"{folder.path}/{_STATE} is of another version") from None


def read_config(folder: Folder) -> dict[str, Any]:
    """Return the spec that the container was created from, whatever the bundle has by now."""
    return folder.read(_CONFIG)


def write_config(folder: Folder, spec: dict[str, Any]) -> None:
    folder.write(_CONFIG, spec)


def write_cgroup(folder: Folder, cgroup: Cgroup) -> None:
    """To be done before the cgroup is made: whoever finds the folder can then remove it."""
    folder.write(_CGROUP, cgroup.to_json())


def read_cgroup(folder: Folder) -> Cgroup:
    """Return the container's cgroup, one of nothing when it has none."""
    try:
        return Cgroup.from_json(folder.read(_CGROUP))
    except FileNotFoundError:
        return Cgroup()
    except (AttributeError, KeyError, TypeError):
        raise Refused(f"{folder.path}/{_CGROUP} is of another version") from None


def status_of(folder: Folder, record: Record) -> str:
    """Return ``created``, ``running``, ``stopped`` (runtime.md, "State") or runc's ``paused``."""
    if not is_alive(record.process):
        return "stopped"
    if is_paused(read_cgroup(folder)):
        return "paused"
    return "created" if is_awaited(folder.fd) else "running"


def everybody(process: Process, cgroup: Cgroup) -> list[Process]:
    """Return a container's first process and all others, by its cgroup if it has one."""
    found = [process]
    if not any(map(os.path.isdir, cgroup.folders)):
        return members(process)
    for pid in processes(cgroup):
        try:
            found += [identify(pid)] if pid != process.pid else []
        except ProcessLookupError:
            continue
    return found


def oci_state(record: Record, status: str) -> dict[str, Any]:
    """Return the state as the runtime spec has it; a stopped container has no pid, which is 0."""
    return {
        "ociVersion": record.version,
        "id": record.id,
        "status": status,
        "pid": 0 if status == "stopped" else record.process.pid,
        "bundle": record.bundle,
        "annotations": record.annotations,
    }


def base_state(name: str, bundle: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return what can be told of a container before it is built, for its first hooks."""
    return {
        "ociVersion": spec.get("ociVersion"),
        "id": name,
        "bundle": os.path.abspath(bundle),
        "annotations": spec.get("annotations") or {},
    }


def utc_now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
