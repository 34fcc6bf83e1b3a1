"""Keepers that are started before it is known for what."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import leaks
from ptykeep import forerunner
from ptykeep.installation import Installation, choose
from ptykeep.launch import StartFailed, start_keeper
from ptykeep.server import Server
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    with leaks.checked():
        yield


def server_of(keeper: forerunner.Forerunner) -> list[int]:
    """Return the pid of its server, once that is one."""
    return [pid for pid in leaks.descendants(keeper.pid) if b"ptyd/__main__" in command_line(pid)]


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_its_server_starts_meanwhile_and_both_go_when_nobody_comes() -> None:
    """Whoever sent it ahead has ended, or has found nothing to start: that is no failure."""
    keeper = forerunner.Forerunner()
    wait_until(lambda: server_of(keeper))
    (server,) = server_of(keeper)
    keeper.socket.close()

    assert os.waitpid(keeper.pid, 0)[1] == 0
    assert not os.path.exists(f"/proc/{server}")


def test_it_goes_with_whoever_dies_before_a_word_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the start of the keeper and its first message."""
    monkeypatch.setattr(forerunner, "import_path", list)
    keeper = forerunner.Forerunner()
    keeper.socket.close()

    assert os.waitpid(keeper.pid, 0)[1] == 0


def test_it_tells_nothing_of_who_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """No environment, no argument but its own file, a session of its own."""
    monkeypatch.setenv("SECRET", "x")
    keeper = forerunner.Forerunner()
    wait_until(lambda: server_of(keeper))
    environment = Path(f"/proc/{keeper.pid}/environ").read_bytes()
    words = command_line(keeper.pid).rstrip(b"\0").split(b"\0")
    session = os.getsid(keeper.pid)
    keeper.socket.close()
    os.waitpid(keeper.pid, 0)

    assert environment == b""
    assert words[1:3] == [b"-I", b"-S"]
    assert words[3].endswith(b"ptykeep/__main__.py")
    assert len(words) == 4
    assert session == keeper.pid


def test_one_that_died_is_a_start_that_failed(tmp_path: Path) -> None:
    """Told in one line, and the socket is closed."""
    forerunner.send_ahead()
    (keeper,) = forerunner._sent_ahead
    os.kill(keeper.pid, signal.SIGKILL)
    os.waitpid(keeper.pid, 0)

    with pytest.raises(StartFailed, match="the keeper ended before it could say why"):
        start_keeper(str(tmp_path), str(tmp_path / "run"), "ab" * 32).wait()
    assert forerunner._sent_ahead == []


def test_a_container_that_is_not_there_is_a_start_that_failed(tmp_path: Path) -> None:
    """And the server that was started for it has ended."""
    starting = start_keeper(str(tmp_path), str(tmp_path / "run"), "ab" * 32)

    with pytest.raises(StartFailed, match=r"keeper\.log: No such file or directory"):
        starting.wait()
    os.waitpid(starting.pid, 0)


def test_a_container_that_was_given_another_server_gets_that(tmp_path: Path) -> None:
    """The one that was started before anybody knew ends: two must not overlap."""
    server = Server(forerunner.import_path())
    server.start()
    before = server.pid
    other = tmp_path / "ptyd"
    other.mkdir()
    (other / "__main__.py").write_text("import sys; sys.exit(7)")
    choose(str(tmp_path), server._own._replace(home=str(tmp_path)))
    server.serve(str(tmp_path))

    assert before is not None
    assert not os.path.exists(f"/proc/{before}")
    assert server.pid not in (None, before)
    assert os.waitstatus_to_exitcode(os.waitpid(server.pid or 0, 0)[1]) == 7
    server.on_reaped()


def test_a_container_without_a_choice_keeps_the_one_that_runs(tmp_path: Path) -> None:
    """Nobody has upgraded it; and a choice that says the same changes nothing."""
    server = Server(forerunner.import_path())
    server.start()
    before = server.pid
    server.serve(str(tmp_path))
    after = server.pid
    choose(str(tmp_path), Installation(*server._own))
    server.serve(str(tmp_path))
    last = server.pid
    server.kill()

    assert before == after == last
