"""What a server is: started by root a user of its own, and whoever starts it, kept to its folder.

The container's range of ids ends where its server's begins (``state.RANGE_STRIDE``): nobody else
on the host has it. Some modules are imported late and may lie where only root can read, so the
right to read is given up last, and with it all files but the container's.
"""

from __future__ import annotations

import os
from typing import Any, Final

from ptykeep import landlock
from ptylaunch import syscall as sc
from ptylaunch.capability import NUMBERS
from ptylaunch.privilege import drop_bounding

_READ: Final = 1 << NUMBERS["CAP_DAC_READ_SEARCH"]


def server_uid(spec: dict[str, Any]) -> int:
    """Return the id of a container's server, 0 for the caller's own.

    Only root can become another; a container without a range has none to spare.
    """
    ranges: list[dict[str, int]] = spec["linux"].get("uidMappings") or []
    if os.geteuid() != 0 or len(ranges) != 1 or not ranges[0]["hostID"]:
        return 0
    return ranges[0]["hostID"] + ranges[0]["size"]


def assume(uid: int) -> None:
    """Become ``uid``, for good, but for the right to read files; 0: stay who one is."""
    sc.prctl(sc.PR_SET_NO_NEW_PRIVS, 1)
    if not uid:
        return
    drop_bounding(0)
    sc.prctl(sc.PR_SET_KEEPCAPS, 1)
    os.setgroups(())
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    sc.prctl(sc.PR_SET_KEEPCAPS, 0)
    sc.capset(_READ, _READ, 0)


def settle(uid: int) -> None:
    """Give up that right as well, once, in the container's folder: everything is imported."""
    if uid:
        sc.capset(0, 0, 0)
    landlock.enclose(readable=".", writable="sessions")


def give(directory: str, uid: int) -> None:
    """Let the server of a container reach what it works with: its sessions, and the tokens.

    ``directory`` is 02710 then: files made in it belong to the server's group, which may read
    those that are 0640, and list nothing.
    """
    sessions = f"{directory}/sessions"
    os.makedirs(sessions, mode=0o700, exist_ok=True)
    if uid:
        os.chown(sessions, uid, uid)
        os.chown(directory, 0, uid)
        os.chmod(directory, 0o2710)  # noqa: S103 - see above
