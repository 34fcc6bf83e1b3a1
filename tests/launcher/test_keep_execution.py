"""The keeper's table of second programs: numbers, keys, and how long what ended is kept."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, cast

import pytest

from ptykeep import execution
from ptykeep.execution import KEPT, Executions
from ptylaunch.container import Box
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPEC = {"process": {"args": ["sh"], "cwd": "/", "env": []}, "linux": {}}


class Joining:
    """One that gets there, or fails, when the test says so."""

    deadline = float("inf")
    pty_fd = tty_fd = None
    pids = iter(range(1000, 9000))

    def __init__(self, *_: object, **__: object) -> None:
        self.pid = next(self.pids)
        self.fd = os.open(os.devnull, os.O_RDONLY)
        self.failure: LaunchFailed | None = None

    def fileno(self) -> int:
        return self.fd

    def learn(self) -> None:
        """Nothing: it is known."""

    def advance(self) -> bool:
        os.close(self.fd)
        if self.failure is not None:
            raise self.failure
        return True


class Table:
    """Executions without processes; ``sent`` is what the server was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sent: list[dict[str, Any]] = []
        self.saved = 0
        self.all = Executions(str(folder), SPEC, send=self._send, changed=self._save)

    def _send(self, fields: dict[str, Any], _fds: list[int]) -> None:
        self.sent.append(fields)

    def _save(self) -> None:
        self.saved += 1

    def ask(self, request: int, **fields: Any) -> None:
        fd = os.memfd_create("request")
        os.write(fd, json.dumps({"args": ["true"], **fields}).encode())
        box = Box.__new__(Box)
        box.target = cast("Any", None)
        self.all.start(request, fd, box)
        os.close(fd)

    def arrive(self) -> list[int]:
        """Let everybody who is on the way arrive; return their pids."""
        coming = self.all.filenos()
        pids = [self.all._coming[fd].joining.pid for fd in coming]
        for fd in coming:
            self.all.advance(fd)
        return pids

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.sent if each["type"] == kind]

    def close(self) -> None:
        for fd in self.all.filenos():
            os.close(fd)
        for coming in self.all._coming.values():
            coming.session.close()
        for session in self.all._sessions.values():
            session.close()


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    monkeypatch.setattr(execution, "Joining", Joining)
    before = set(os.listdir("/proc/self/fd"))
    table = Table(tmp_path)
    yield table
    table.close()
    assert set(os.listdir("/proc/self/fd")) == before


def test_the_session_is_announced_before_the_answer(table: Table) -> None:
    """Who attaches to the number finds it."""
    table.ask(5)
    table.arrive()

    assert [each["type"] for each in table.sent] == ["session", "started"]
    assert table.told("started") == [{"type": "started", "request": 5, "session": 1}]


def test_a_failure_takes_no_number(table: Table) -> None:
    """It is answered with its stage; the next one is session 1."""
    table.ask(1)
    (fd,) = table.all.filenos()
    cast("Any", table.all._coming[fd].joining).failure = LaunchFailed("exec", 2, "no-such")
    table.arrive()
    table.ask(2)
    table.arrive()
    (failed,) = table.told("failed")

    assert (failed["request"], failed["stage"], failed["exit_code"]) == (1, "exec", 127)
    assert table.told("started") == [{"type": "started", "request": 2, "session": 1}]


def test_a_key_is_one_session_on_the_way_and_there(table: Table) -> None:
    """Whoever asks again is told of the same, whichever server asks."""
    table.ask(1, key="k")
    table.all.announce()  # a new server: nobody of the old one waits any more
    table.ask(1, key="k")
    table.ask(2, key="k")
    table.arrive()
    table.ask(3, key="k")

    assert [each["session"] for each in table.told("started")] == [1, 1, 1]
    assert [each["request"] for each in table.told("started")] == [1, 2, 3]


def test_a_program_that_ends_before_it_is_known_to_run_has_its_status(table: Table) -> None:
    """It was reaped between its execve and our hearing of it."""
    table.ask(1)
    (fd,) = table.all.filenos()
    table.all.on_reaped(table.all._coming[fd].joining.pid, 9)
    table.all.on_reaped(1, 4)  # an orphan of the box
    table.arrive()

    assert table.told("exited") == [{"type": "exited", "session": 1, "status": 9}]
    assert table.all.describe()["1"]["exit_status"] == 9


def test_what_ended_is_kept_for_a_while(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then its server is asked to let go, the next one again, and its files are removed."""
    (table.folder / "sessions/1/journal").mkdir(parents=True)
    table.ask(1)
    (pid,) = table.arrive()
    table.all.on_reaped(pid, 0)
    (due,) = table.all.deadlines()
    table.all.on_time(due - 1)
    early = table.told("remove")
    table.all.on_removed(1)  # a server that does so unasked
    table.all.on_time(due)
    table.all.announce()
    asked = table.told("remove")
    there = (table.folder / "sessions/1").exists()
    table.all.on_removed(1)
    table.all.on_removed(1)

    assert early == []
    assert len(asked) == 2
    assert there
    assert not (table.folder / "sessions/1").exists()
    assert table.all.describe() == {}
    assert table.all.deadlines() == []
    assert KEPT == 300.0


def test_there_is_a_most_that_run(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """On their way or there; what has ended makes room."""
    monkeypatch.setattr(execution, "MOST_RUNNING", 2)
    table.ask(1)
    (pid,) = table.arrive()
    table.ask(2)
    table.ask(3)
    refused = table.told("failed")
    table.all.on_reaped(pid, 0)
    table.ask(4)
    table.arrive()

    assert [each["request"] for each in refused] == [3]
    assert {each["request"] for each in table.told("started")} == {1, 2, 4}
