"""Records that find no room: what cannot be written down is not done yet, and all are told."""

from __future__ import annotations

import errno
import fcntl
import struct
import termios
from typing import TYPE_CHECKING, Any

import pytest

from ptyd.journal.index import RESIZE, START
from ptyd.journal.journal import Full, Journal
from ptyd.session import session as module
from served import Served

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from wire_client import WireClient

FULL, OK = ({"event": "journal", "state": state} for state in ("full", "ok"))


class Disk:
    """Has no room for records while it is full."""

    def __init__(self) -> None:
        self.is_full = False

    def fill(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be full from here on, for whatever journal."""
        self.is_full = True
        mark = Journal.mark

        def try_to_mark(journal: Journal, *what: Any) -> Any:
            if self.is_full:
                raise Full(errno.ENOSPC, "No space left on device")
            return mark(journal, *what)

        monkeypatch.setattr(Journal, "mark", try_to_mark)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    monkeypatch.setattr(module, "RETRY_FULL", 0.05)
    return Disk()


def size_of_terminal(served: Served) -> tuple[int, int]:
    packed = fcntl.ioctl(served.session.pty_fd, termios.TIOCGWINSZ, bytes(8))
    rows, cols, _, _ = struct.unpack("HHHH", packed)
    return rows, cols


def sizes_told(client: WireClient) -> list[tuple[int, int]]:
    return [(each["rows"], each["cols"]) for each in client.events if each["event"] == "resized"]


def kinds(served: Served) -> list[tuple[int, int]]:
    """Return the starts and sizes of the journal."""
    records = served.session.journal.records()
    return [(each.kind, each.a) for each in records if each.kind in (START, RESIZE)]


def test_a_resize_waits_for_a_full_disk(
    served: Served, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terminal, journal and viewers agree all the time; the last size asked for comes."""
    client = served.attached(rows=30, cols=90)
    client.wait_until(lambda: served.session.size == (30, 90))
    disk.fill(monkeypatch)
    served.on_loop(lambda: served.session.resize(40, 100))
    served.on_loop(lambda: served.session.resize(41, 100))
    client.wait_until(lambda: FULL in client.events)
    sizes = [served.session.size, size_of_terminal(served)]
    disk.is_full = False
    client.wait_until(lambda: OK in client.events)
    client.wait_until(lambda: sizes_told(client)[-1:] == [(41, 100)])

    assert sizes == [(30, 90), (30, 90)]
    assert (40, 100) not in sizes_told(client)
    assert served.session.size == size_of_terminal(served) == (41, 100)
    assert kinds(served)[-1] == (RESIZE, 41)


def test_a_size_that_is_taken_back_is_never_set(
    served: Served, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody wants it any more when there is room."""
    client = served.attached(rows=30, cols=90)
    client.wait_until(lambda: served.session.size == (30, 90))
    disk.fill(monkeypatch)
    served.on_loop(lambda: served.session.resize(40, 100))
    served.on_loop(lambda: served.session.resize(30, 90))
    disk.is_full = False
    client.wait_until(lambda: OK in client.events)

    assert served.session.size == (30, 90)
    assert kinds(served)[-1] == (RESIZE, 30)


def test_a_start_is_written_once_there_is_room(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
    tmp_path: Path,
    disk: Disk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before any output, which is of this epoch then."""
    disk.fill(monkeypatch)
    with Served(make_loop, tmp_path) as served:
        assert served.session.full
        served.program.write(100)
        disk.is_full = False
        served.wait(lambda: served.session.journal.end == 100)

        assert [kind for kind, _ in kinds(served)] == [START, RESIZE]
        assert {each.offset for each in served.session.journal.records()} == {0}
