"""What a screen process can still reach once it looks at bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ptyd.journal.journal import MIN_LIMIT, Journal
from ptykeep import landlock
from ptykeep.protocol import receive
from screen_process import Screen, write

if TYPE_CHECKING:
    from pathlib import Path


def test_it_reads_nothing_but_its_container(tmp_path: Path) -> None:
    """Where the kernel has Landlock a screen that was taken over still has no other file."""
    container = tmp_path / "container"
    container.mkdir()
    shown = {}
    for folder in (container / "sessions" / "journal", tmp_path / "other"):
        journal = Journal(str(folder), limit=MIN_LIMIT)
        journal.open_for_writing()
        end = write(journal, b"secret")
        journal.close()
        screen = Screen(container)
        screen.open(folder)
        screen.send("end", end=end)
        screen.send("snapshot", id=1, at_least=end, scrollback=0)
        packet = receive(screen.sock)
        while packet is not None and packet.fields["type"] != "snapshot":
            packet = receive(screen.sock)
        shown[folder.name] = packet is not None
        for fd in packet.fds if packet is not None else ():
            os.close(fd)
        screen.close()

    assert shown == {"journal": True, "other": landlock.version() == 0}
