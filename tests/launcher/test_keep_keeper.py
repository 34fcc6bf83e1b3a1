"""The keeper's decisions: which requests of a server it follows, and how it answers a failure."""

from __future__ import annotations

import errno
import os
import select
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ptykeep.asked import answer
from ptykeep.epoch import Epoch
from ptykeep.execution import Executions
from ptykeep.failure import explain
from ptykeep.keeper import Keeper
from ptykeep.process import ignores
from ptykeep.protocol import Packet
from ptykeep.restarts import Restarts
from ptykeep.state import Dirs
from ptykeep.succession import Succession
from ptylaunch.errors import LaunchFailed
from ptylaunch.placement import Cgroup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Kept:
    """A keeper in the middle of its life, without the box: init is a child that counts signals."""

    def __init__(self, folder: Path) -> None:
        self.counted, writing = os.pipe()
        self.init = os.fork()
        if self.init == 0:
            _count_signals(writing)
        os.close(writing)
        assert os.read(self.counted, 1) == b"!"
        self.closed_stdin = 0
        self.keeper = keeper = Keeper.__new__(Keeper)
        keeper.dirs = Dirs(str(folder), str(folder))
        keeper.directory = str(folder)
        keeper.options = {}
        keeper.state = {"id": "ab" * 32, "name": "it", "status": "running"}
        keeper.next = Succession(Restarts("no", 0))
        keeper._dirty = False
        keeper.epoch = epoch = Epoch(1, {}, {}, str(folder))
        keeper.screens = cast("Any", None)
        self.is_served = False
        server = SimpleNamespace(pid=77, on_ready=self._on_ready, hurry=lambda: None)
        keeper.server = cast("Any", server)
        epoch.box = cast(
            "Any", SimpleNamespace(init_pid=self.init, pid=self.init, pty_fd=None, cgroup=Cgroup())
        )
        keeper.executions = Executions(str(folder), {}, send=_nobody, changed=lambda: None)
        epoch.session = cast(
            "Any", SimpleNamespace(status=None, tty=False, close_stdin=self._close_stdin)
        )

    def _on_ready(self) -> None:
        self.is_served = True

    def _close_stdin(self) -> None:
        self.closed_stdin += 1

    def ask(self, **fields: Any) -> None:
        answer(self.keeper, Packet(fields, []))

    def got(self) -> list[int]:
        """Return the signals that init has had, in order."""
        os.kill(self.init, signal.SIGRTMAX)  # of those that wait, the lowest number comes first
        numbers = bytearray()
        while not numbers.endswith(bytes([signal.SIGRTMAX])):
            assert select.select([self.counted], [], [], 20)[0]
            numbers += os.read(self.counted, 100)
        return list(numbers[:-1])

    def close(self) -> None:
        os.kill(self.init, signal.SIGKILL)
        os.waitpid(self.init, 0)
        os.close(self.counted)


def _nobody(_fields: dict[str, Any], _fds: list[int]) -> None:
    """There is no server."""


def _count_signals(writing: int) -> None:
    """Write each signal's number to a pipe, for ever (the child's life)."""
    try:
        signal.set_wakeup_fd(-1)
        waited = set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}
        signal.pthread_sigmask(signal.SIG_BLOCK, waited)
        os.write(writing, b"!")
        while True:
            number = signal.sigwait(waited)
            os.write(writing, bytes([number]))
    finally:
        os._exit(1)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    it = Kept(tmp_path)
    yield it
    it.close()


def test_a_signal_reaches_init_alone(kept: Kept) -> None:
    """By number; what no signal has is not sent to anybody."""
    numbers: list[Any] = [signal.SIGINT, 0, -1, 65, 1 << 40, "9", None, 1.5, [9]]
    for number in numbers:
        kept.ask(type="signal", session=0, signal=number)
    kept.ask(type="signal")
    kept.ask(type="signal", signal=int(signal.SIGTERM))

    assert kept.got() == [signal.SIGINT]


def test_a_pid_is_nobodys_wish(kept: Kept) -> None:
    """A server names no process: fields that are not asked for are not looked at."""
    kept.ask(type="signal", session=0, signal=int(signal.SIGHUP), pid=1)
    kept.ask(type="signal", session=99, signal=int(signal.SIGTERM), pid=kept.init)

    assert kept.got() == [signal.SIGHUP]


def test_after_the_end_nobody_is_signalled(kept: Kept) -> None:
    """Init is reaped: its pid may be somebody else's by now."""
    assert kept.keeper.epoch.session is not None
    kept.keeper.epoch.session.status = 0
    kept.ask(type="signal", session=0, signal=int(signal.SIGTERM))
    kept.ask(type="stop")

    assert kept.got() == []


def test_stop_is_a_request_first(kept: Kept) -> None:
    """SIGTERM, and a date for SIGKILL that a second request does not put off."""
    kept.ask(type="stop")
    due = kept.keeper.epoch.kill_at
    kept.ask(type="stop")

    assert due is not None
    assert kept.keeper.epoch.kill_at == due
    assert set(kept.got()) == {signal.SIGTERM}


def test_stdin_is_closed_when_asked(kept: Kept) -> None:
    """Nothing else is the server's to close."""
    kept.ask(type="close-stdin", session=0)

    assert kept.closed_stdin == 1


def test_ready_is_written_down(kept: Kept) -> None:
    """``inspect`` shows which server serves, and how bytes reach the journal."""
    kept.ask(type="ready", version=1, intake="splice")

    assert kept.keeper.state["server_pid"] == 77
    assert kept.keeper.state["intake"] == "splice"
    assert kept.is_served


@pytest.mark.parametrize(
    "fields",
    [{}, {"type": None}, {"type": "exec", "args": ["sh"]}, {"type": []}, {"type": "ready"}],
    ids=str,
)
def test_other_requests_are_ignored(kept: Kept, fields: dict[str, Any]) -> None:
    """Those of tomorrow, and nonsense."""
    kept.ask(**fields)

    assert kept.got() == []
    assert kept.keeper.state == {"id": "ab" * 32, "name": "it", "status": "running"}


def test_a_full_disk_does_not_end_a_keeper(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """state.json waits until there is room."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", fail)
        kept.keeper.save(status="running")
        waiting = kept.keeper._dirty
    kept.keeper.save()

    assert waiting
    assert not kept.keeper._dirty


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (
            OSError(98, "in use", "127.0.0.1:80"),
            {"error": "127.0.0.1:80: in use", "exit_code": 125},
        ),
        (OSError(24, "too many files"), {"error": "too many files", "exit_code": 125}),
    ],
    ids=["with a name", "without"],
)
def test_a_failed_start_is_one_line(error: Exception, answer: dict[str, Any]) -> None:
    """And docker's exit code."""
    assert explain(error) == answer


def test_a_program_that_is_not_there_is_127() -> None:
    """The launcher knows why; the keeper only passes it on."""
    failed = LaunchFailed("exec", errno.ENOENT)
    answer = explain(failed)

    assert answer == {"error": str(failed), "exit_code": failed.exit_code}


def test_what_a_process_ignores_is_seen() -> None:
    """An interactive shell ignores SIGTERM; proc(5) tells, also that nobody is there."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        ignored = ignores(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert ignored
    assert not ignores(os.getpid(), signal.SIGTERM)
    assert not ignores(1 << 30, signal.SIGTERM)
