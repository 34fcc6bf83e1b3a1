"""A container in which nothing happens costs nothing but its memory."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from waiting import wait_until

if TYPE_CHECKING:
    from ptyd_user import Container, Ptyd

# The system calls that wait for descriptors, and which argument says for how long.
_WAITS = {
    "x86_64": {7: (2, 0xFFFFFFFF), 271: (2, 0), 281: (3, 0xFFFFFFFF), 441: (3, 0)},
    "aarch64": {73: (2, 0), 22: (3, 0xFFFFFFFF), 441: (3, 0)},
}[platform.machine()]  # poll, ppoll, epoll_pwait, epoll_pwait2


def sleeps(pid: int) -> bool:
    """Tell whether a process waits for something to happen, however long that takes."""
    number, *arguments = Path(f"/proc/{pid}/syscall").read_text().split()
    if number not in map(str, _WAITS):
        return False
    position, for_ever = _WAITS[int(number)]
    return int(arguments[position], 16) == for_ever


def all_sleep(container: Container) -> None:
    pids = container.keeper_pid, container.server_pid(), container.described["State"]["InitPid"]

    wait_until(lambda: all(sleeps(pid) for pid in pids))


def test_nothing_wakes_who_has_nothing_to_do(ptyd: Ptyd) -> None:
    """Keeper, server and init sleep until something happens, before a client and after it."""
    container = ptyd.start("cat")
    all_sleep(container)

    with container.attach() as client:
        client.type("hello\n")
        client.read_until("hello\r\n")

    all_sleep(container)
