"""The keeper's side of a server: one at a time, started again, and told everything each time."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kept_server import KeptServer
from ptykeep.forerunner import import_path
from ptykeep.protocol import EXIT_DONE, EXIT_REPLACED
from ptykeep.server import FIRST_BACKOFF, LAST_BACKOFF, LONG_LIFE, REPLACE_TIMEOUT, Server
from session_program import pattern
from waiting import wait_for_end, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptServer]:
    with KeptServer(tmp_path) as it:
        it.start()
        yield it


def write_all(kept: KeptServer, size: int) -> None:
    kept.program.write_waiting(size)


def test_a_server_sees_nothing_it_should_not(kept: KeptServer) -> None:
    """Its environment says where to import from, its arguments name a file, its fds are given."""
    pid = kept.server.pid
    environment = Path(f"/proc/{pid}/environ").read_bytes().rstrip(b"\0").split(b"\0")
    arguments = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")

    assert [entry.partition(b"=")[0] for entry in environment] == [
        b"PTYD_PATH",
        b"PTYD_SERVERS",
        b"MALLOC_TRIM_THRESHOLD_",
        b"MALLOC_MMAP_THRESHOLD_",
    ]
    assert arguments[1:3] == [b"-I", b"-S"]
    assert len(arguments) == 4


def test_a_server_that_is_replaced_loses_nothing(kept: KeptServer) -> None:
    """1001 to its clients, its own exit code, and the next one goes on at the next byte."""
    client = kept.client()
    write_all(kept, 100_000)
    kept.server.replace()
    kept.server.replace()  # asking twice is asking once
    code = client.read_to_end()[0]
    ended = kept.reap()
    kept.server.plan_next(ended)
    at_once = kept.server.restart_at
    kept.program.write(1000)
    ready = kept.start()
    again = client.again()
    again.wait_until(lambda: again.offset == kept.program.written)
    kept._clients.append(again)

    assert (code, ended) == (1001, EXIT_REPLACED)
    assert at_once is not None
    assert at_once <= time.monotonic()
    assert ready["intake"] == "splice"
    assert client.output + again.output == pattern(0, kept.program.written)


def test_killed_under_load_it_loses_nothing(kept: KeptServer) -> None:
    """Five times SIGKILL: the client that comes back each time has every byte."""
    seen = bytearray()
    client = kept.client()
    for number in range(5):
        write_all(kept, 50_000 + 777 * number)
        assert kept.server.pid is not None
        os.kill(kept.server.pid, signal.SIGKILL)
        assert kept.reap() == -signal.SIGKILL
        client.read_to_end()
        seen += client.output
        kept.start()
        client = client.again()
        kept._clients.append(client)
    client.wait_until(lambda: client.offset == kept.program.written)

    assert seen + client.output == pattern(0, kept.program.written)


def test_a_server_on_its_way_is_hurried_once_it_serves(kept: KeptServer) -> None:
    """A signal that it does not expect yet would end it, with a traceback in its log."""
    kept.server.kill()
    kept.exited(3)
    kept.server.hurry()  # there is none
    kept.start()
    without_any = kept.reap()
    kept.start(hurried=True)
    while_it_came = kept.reap()

    assert (without_any, while_it_came) == (EXIT_DONE, EXIT_DONE)
    assert (kept.folder / "server.log").read_text() == ""


def test_a_server_that_hangs_is_killed(kept: KeptServer) -> None:
    """Asked to go and not gone after two seconds: not asked again."""
    assert kept.server.pid is not None
    os.kill(kept.server.pid, signal.SIGSTOP)
    kept.server.replace()
    now = time.monotonic()
    started = kept.server.on_time(now)
    assert kept.server.kill_at is not None
    kept.server.on_time(now + REPLACE_TIMEOUT + 0.1)

    assert not started
    assert kept.reap() == -signal.SIGKILL


def test_a_server_that_does_not_read_is_replaced(kept: KeptServer) -> None:
    """Its queue is full: the keeper waits for nobody."""
    assert kept.server.pid is not None
    os.kill(kept.server.pid, signal.SIGSTOP)
    sent = 0
    while kept.server.kill_at is None and sent < 100_000:
        kept.server.send({"type": "of tomorrow", "pad": "x" * 1000})
        sent += 1
    assert kept.server.kill_at is not None
    os.kill(kept.server.pid, signal.SIGCONT)

    assert kept.reap() == EXIT_REPLACED


def test_the_status_ends_it(kept: KeptServer) -> None:
    """Once its client knows and has left there is nothing to stay for."""
    client = kept.client()
    kept.program.write(5000)
    kept.exited(7)
    code = client.read_to_end()[0]
    client.close()

    assert code == 4000
    assert client.events[-1]["status"] == 7
    assert client.output == pattern(0, 5000)
    assert kept.reap() == EXIT_DONE


@pytest.mark.parametrize("terminal", [True, False])
def test_without_its_keeper_it_says_so_and_goes(tmp_path: Path, *, terminal: bool) -> None:
    """The keeper was killed, and the program with it: 137 to whoever is there."""
    with KeptServer(tmp_path, terminal=terminal) as kept:
        kept.start()
        client = kept.client()
        pid = kept.server.pid
        kept.server.disconnect()
        client.read_to_end()
        kept.server.pid = pid
        kept.reap()

        assert client.events[-1]["event"] == "exited"
        assert client.events[-1]["status"] == 128 + signal.SIGKILL


_KEEPER = """\
import signal, sys
from ptykeep.forerunner import import_path
from ptykeep.server import Server
folder, greets = sys.argv[1:]
server = Server([folder, *import_path()], folder)
server.start()
if greets == "yes":
    server.send({"type": "hello"})
print(server.pid, flush=True)
signal.pause()
"""
_SCREENS = """\
import signal, socket, sys
from ptykeep.forerunner import import_path
from ptykeep.screens import Screens
folder = sys.argv[1]
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
screens = Screens([folder, *import_path()], folder, 0)
screens.start(0, theirs.fileno())
print(screens._pids[0], flush=True)
signal.pause()
"""
_SLOW = """\
import os, signal
open(os.path.dirname(__file__) + "/reached", "w").close()
signal.pause()
"""


@pytest.mark.parametrize(
    ("script", "arguments", "slow"),
    [(_KEEPER, ["no"], ""), (_KEEPER, ["yes"], "uvloop.py"), (_SCREENS, [], "pyghostty.py")],
    ids=["server before hello", "server that imports", "screen that imports"],
)
def test_who_starts_is_no_orphan(
    tmp_path: Path, script: str, arguments: list[str], slow: str
) -> None:
    """Its parent is killed while it is busy with anything but its socket: it ends at once."""
    if slow:
        (tmp_path / slow).write_text(_SLOW)
    command = [sys.executable, "-c", script, str(tmp_path), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        started = int(parent.stdout.readline())
        try:
            wait_until(lambda: not slow or (tmp_path / "reached").exists())
        finally:
            parent.kill()
    try:
        wait_for_end(started, within=5.0)
    except AssertionError:
        os.kill(started, signal.SIGKILL)
        raise


def test_a_server_on_a_full_disk_goes_with_its_keeper(kept: KeptServer) -> None:
    """It cannot write the end down, and does not wait for room that nobody makes."""
    client, pid = kept.client(), kept.server.pid
    assert pid is not None
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1000, 1000))
    kept.program.write(4000)
    client.wait_for_event("journal")
    kept.server.disconnect()
    kept.server.pid = pid

    assert kept.reap() == 1


def test_a_flood_of_signals_harms_nobody(kept: KeptServer) -> None:
    """More than the keeper's queue holds, while it is busy: the server lives, some arrive."""
    client = kept.client()
    for _ in range(3000):
        client.signal("INT")
    kept.program.write(100)
    client.wait_until(lambda: client.offset == 100)
    arrived = 0
    client.signal("TERM")
    kept.program.write(100)
    while arrived < 64:
        packet = kept.receive()
        assert packet is not None, "the server ended"
        arrived += 1
    client.wait_until(lambda: client.offset == 200)

    assert client.closed is None


def test_messages_of_tomorrow_are_ignored(kept: KeptServer) -> None:
    """And what came with them is closed."""
    client = kept.client()
    kept.program.write(10)
    client.wait_until(lambda: client.offset == 10)
    before = len(os.listdir(f"/proc/{kept.server.pid}/fd"))
    for _ in range(5):
        kept.server.send({"type": "of tomorrow"}, [kept.program.out] * 3)
    kept.exited(0)
    client.read_to_end()
    after = len(os.listdir(f"/proc/{kept.server.pid}/fd"))

    assert after <= before


def test_its_log_is_bounded(tmp_path: Path) -> None:
    """Beyond a megabyte the next server starts it anew."""
    log = tmp_path / "server.log"
    log.write_bytes(bytes((1 << 20) + 1))
    with KeptServer(tmp_path) as kept:
        kept.start()

        assert log.stat().st_size == 0


def planned(server: Server, code: int, life: float) -> float:
    """Return how long the next one waits after a server that lived ``life`` seconds."""
    now = time.monotonic()
    server._started = now - life
    server.plan_next(code)
    assert server.restart_at is not None
    return max(0.0, server.restart_at - now)


def test_who_dies_young_makes_the_next_one_wait(tmp_path: Path) -> None:
    """At once, then 0.1 s and doubled up to 5 s; a long life or a replacement forgets it."""
    server = Server(import_path(), str(tmp_path))
    waits = [planned(server, 1, 0.0) for _ in range(9)]
    after_long_life = planned(server, 1, LONG_LIFE + 1)
    for _ in range(4):
        planned(server, 1, 0.0)
    replaced = planned(server, EXIT_REPLACED, 0.0)

    assert waits[0] < FIRST_BACKOFF
    assert waits[1:] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0], abs=0.05)
    assert waits[-1] <= LAST_BACKOFF + 0.05
    assert after_long_life < 0.05
    assert replaced < 0.05


def test_no_process_left_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """posix_spawn failed: the same back-off, and nothing is leaked."""
    server = Server(import_path(), str(tmp_path))

    def fail(*_: object, **__: object) -> int:
        raise BlockingIOError("no process left")

    monkeypatch.setattr(os, "posix_spawn", fail)
    before = os.listdir("/proc/self/fd")
    server.start()

    assert (server.pid, server.socket) == (None, None)
    assert server.restart_at is not None
    assert len(os.listdir("/proc/self/fd")) == len(before)
