"""What a container was before this keeper: it was made and never started, or it has ended."""

from __future__ import annotations

import os
from typing import Any

from ptykeep import state
from ptykeep.removal import remove_tree


def read(directory: str) -> dict[str, Any] | None:
    """Return its state.json; None for one that is being made."""
    try:
        return state.read_json(f"{directory}/state.json")
    except FileNotFoundError:
        return None


def clear(dirs: state.Dirs, container: str) -> None:
    """Remove what was of its last life alone, a killed keeper's leavings included."""
    directory = state.container_dir(dirs, container)
    state.release_cgroup(directory)
    state.remove_sockets(dirs, container)
    sessions = f"{directory}/sessions"
    for number in os.listdir(sessions) if os.path.isdir(sessions) else ():
        if number != "0":
            remove_tree(f"{sessions}/{number}")


def restore(directory: str, past: dict[str, Any], now: dict[str, Any], error: str) -> None:
    """Leave it as it was: its start has failed; what could not be removed is ``now``'s still."""
    if past["status"] not in ("created", "exited"):
        past |= {"status": "exited", "exit_status": None}
    gone = {"keeper_pid": None, "server_pid": None, "pid": None, "runtime": None}
    left = {"cgroup": now.get("cgroup"), "error": error}
    state.write_json(f"{directory}/state.json", {**past, **gone, **left})


def port(past: dict[str, Any] | None, dialect: str) -> int:
    """Return the port that it listened on in its last life, 0 for none: links name it."""
    listeners: list[dict[str, Any]] = (past or {}).get("listeners", [])
    return next((each["port"] for each in listeners if each["dialect"] == dialect), 0)
