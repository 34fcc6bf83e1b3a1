"""ptyc between pipes and files: exact bytes, end-of-file, signals, a slow reader."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from fake_ptyd import FakePtyd, claim
from ptyc_user import MODULE, TIMEOUT
from ptywire import message as wire
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIPE = subprocess.PIPE


@pytest.fixture
def start(server: FakePtyd) -> Iterator[Any]:
    """Start ptyc with what Popen takes; kill what is left of it afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, **settings: Any) -> subprocess.Popen[bytes]:
        defaults: dict[str, Any] = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE}
        command = [*MODULE, *arguments, server.link]
        process = subprocess.Popen(command, **(defaults | settings))
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def test_pipes_like_ssh(server: FakePtyd, start: Any) -> None:
    """Input, end-of-file, output, errors and status of a session without terminal."""
    process = start()
    process.stdin.write(b"in\x10\x11put\n")
    process.stdin.close()
    peer, fields = server.attached(tty=False)

    assert fields["lossless"]
    assert "rows" not in fields
    assert peer.expect_input(8) == b"in\x10\x11put\n"
    peer.expect(wire.StdinEof)
    peer.send(wire.Output(4, b"out\n"))
    peer.send(wire.Output(8, b"err\n", wire.STDERR))
    peer.send(wire.Output(10, b"\x00\xff"))
    peer.exit(7, end=10)
    assert process.wait(TIMEOUT) == 7
    assert process.stdout.read() == b"out\n\x00\xff"
    assert process.stderr.read() == b"err\n"


def test_end_of_file_into_a_terminal_waits_for_the_input(server: FakePtyd, start: Any) -> None:
    """^D is typed after everything before it has arrived."""
    process = start(stdin=PIPE)
    process.stdin.write(b"ls\n")
    process.stdin.close()
    peer, _ = server.attached()
    assert peer.expect(wire.Input) == wire.Input(0, b"ls\n")
    assert not any(isinstance(message, wire.StdinEof) for message in peer.seen)
    peer.send(wire.InputAck(3))

    peer.expect(wire.StdinEof)
    peer.exit(0)
    assert process.wait(TIMEOUT) == 0


def test_end_of_file_is_said_again_after_a_reconnect(server: FakePtyd, start: Any) -> None:
    """A program that reads its input to the end is not left waiting."""
    process = start(stdin=subprocess.DEVNULL)
    peer, _ = server.attached(tty=False)
    peer.expect(wire.StdinEof)
    peer.abort()
    again, _ = server.attached(tty=False)

    again.expect(wire.StdinEof)
    again.exit(0)
    assert process.wait(TIMEOUT) == 0


def test_no_stdin_reads_nothing(server: FakePtyd, start: Any) -> None:
    """--no-stdin neither takes the caller's bytes nor ends the program's input."""
    process = start("--no-stdin", stdin=subprocess.DEVNULL)
    peer, _ = server.attached(tty=False)
    peer.send(wire.Output(1, b"x"))
    peer.expect_ack(1)
    peer.exit(0)

    assert process.wait(TIMEOUT) == 0
    assert [type(message) for message in peer.seen] == [wire.Attach, wire.Ack]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_go_to_the_program(server: FakePtyd, start: Any, number: signal.Signals) -> None:
    """Without a terminal a signal is for the program."""
    process = start()
    peer, _ = server.attached(tty=False)
    peer.send(wire.Output(1, b"x"))
    peer.expect_ack(1)
    process.send_signal(number)

    assert peer.expect(wire.Signal) == wire.Signal(number.name.removeprefix("SIG"))
    peer.exit(128 + number)
    assert process.wait(TIMEOUT) == 128 + number


def test_three_interrupts_end_ptyc(server: FakePtyd, start: Any) -> None:
    """A program that does not listen does not hold the user."""
    process = start()
    peer, _ = server.attached(tty=False)
    peer.send(wire.Output(1, b"x"))
    peer.expect_ack(1)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        peer.expect(wire.Signal)
    process.send_signal(signal.SIGINT)

    assert process.wait(TIMEOUT) == 130


def test_a_signal_before_the_hello_ends_ptyc(server: FakePtyd, start: Any) -> None:
    """There is no program yet that could take it."""
    process = start()
    server.accept().expect(wire.Attach)
    process.send_signal(signal.SIGTERM)

    assert process.wait(TIMEOUT) == 143


def test_a_gap_is_told_and_fails(server: FakePtyd, start: Any) -> None:
    """Lossless output with a hole is not a success, whatever the program says."""
    process = start()
    peer, _ = server.attached(tty=False)
    peer.event("gap", **{"from": 100, "to": 350})
    peer.exit(0)

    assert process.wait(TIMEOUT) == 1
    assert process.stderr.read() == (
        b"ptyc: 250 bytes of output were dropped before they could be read\n"
    )


def test_a_reader_that_leaves_ends_ptyc(server: FakePtyd, start: Any) -> None:
    """``ptyc … | head -1``: no message, the status of a broken pipe."""
    process = start()
    peer, _ = server.attached(tty=False)
    process.stdout.close()
    peer.send(wire.Output(2, b"x\n"))

    assert process.wait(TIMEOUT) == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""


def test_output_is_exact_across_reconnects(server: FakePtyd, start: Any, tmp_path: Path) -> None:
    """A file gets every byte once although the connection breaks every few messages."""
    data = b"".join(b"%06d " % index for index in range(40_000))
    target = tmp_path / "out"
    with target.open("wb") as file:
        process = start(stdout=file, stdin=subprocess.DEVNULL)
    offset, size = 0, 7001
    peer, fields = server.attached(tty=False)
    while offset < len(data):
        for _ in range(5):
            chunk = data[offset : offset + size]
            offset += len(chunk)
            peer.send(wire.Output(offset, chunk))
        if offset >= len(data):
            break
        peer.expect(wire.Ack)
        peer.abort()
        peer = server.accept()
        fields = peer.expect(wire.Attach).fields
        offset = fields["from"]
        peer.hello(tty=False, **{"from": offset})
    peer.exit(0, end=len(data))

    assert process.wait(TIMEOUT) == 0
    assert target.read_bytes() == data


def test_acks_follow_a_slow_reader(server: FakePtyd, start: Any) -> None:
    """Nothing is acknowledged that did not reach the pipe, and the user's pipe stays blocking."""
    process = start()
    peer, _ = server.attached(tty=False)
    chunk = b"y" * 50_000
    for index in range(20):
        peer.send(wire.Output((index + 1) * len(chunk), chunk))
    peer.expect_ack(len(chunk))
    process.send_signal(signal.SIGINT)
    peer.expect(wire.Signal)
    acks = [message.offset for message in peer.seen if isinstance(message, wire.Ack)]

    assert max(acks) <= 2 * len(chunk)
    assert os.get_blocking(process.stdout.fileno())
    peer.event("exited", end=20 * len(chunk), status=0)
    output, errors = process.communicate(timeout=TIMEOUT)
    assert output == chunk * 20
    assert errors == b""
    assert process.returncode == 0


def test_the_last_bytes_are_shown_without_a_connection(server: FakePtyd, start: Any) -> None:
    """Once the status is known a broken connection does not matter, nor is another tried."""
    process = start()
    peer, _ = server.attached(tty=False)
    data = b"z" * 900_000
    peer.send(wire.Output(len(data), data))
    peer.event("exited", end=len(data), status=4)
    wait_until(peer.has_sent_all)
    peer.abort()
    output, errors = process.communicate(timeout=TIMEOUT)

    assert (output, errors) == (data, b"")
    assert process.returncode == 4


def test_a_full_disk_is_one_line(server: FakePtyd, start: Any) -> None:
    """An output that cannot be written is an error with a reason."""
    with open("/dev/full", "wb") as full:
        process = start(stdout=full)
    peer, _ = server.attached(tty=False)
    peer.send(wire.Output(1, b"x"))

    assert process.wait(TIMEOUT) == 125
    assert process.stderr.read() == (
        b"ptyc: cannot write to standard output: No space left on device\n"
    )


_TELLING = """\
import sys
from ptyc import line, main, reconnect
reconnect.GRACE = 0.3
hang_up = line.Line.hang_up
def hang_up_and_tell(self, *arguments):
    hang_up(self, *arguments)
    open(sys.argv[2], "w").close()
line.Line.hang_up = hang_up_and_tell
sys.exit(main.main(sys.argv[1:2]))
"""
"""``ptyc TARGET`` that makes a file once it hangs up, and gives a container up sooner."""


@pytest.mark.parametrize("ending", ["kicked", "malformed", "gone"])
def test_what_has_arrived_is_shown_before_the_end(tmp_path: Path, ending: str) -> None:
    """A reader that is slow gets all of it, and then the line that says why there is no more."""
    data = bytes(range(256)) * 4000
    over = tmp_path / "over"
    path = claim(tmp_path, "otter")
    server = FakePtyd(path)
    env = {**os.environ, "PTYD_ROOT": str(tmp_path)}
    command = [sys.executable, "-c", _TELLING, "otter", str(over)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=env) as process:
        try:
            peer, _ = server.attached(tty=False)
            peer.send(wire.Output(len(data), data))
            if ending == "kicked":
                peer.close(wire.CLOSE_KICKED, "enough")
            elif ending == "malformed":
                peer.connection.send(b"\x01")
                wait_until(over.exists)
            else:
                peer.abort()
        finally:
            server.stop()
        os.unlink(path)
        wait_until(over.exists)
        shown, said = process.communicate(timeout=TIMEOUT)

    assert shown == data
    assert said.decode() == f"ptyc: {_ENDINGS[ending]}\n"
    assert process.returncode == 125


_ENDINGS = {
    "kicked": "disconnected by the owner: enough",
    "malformed": "the server sent a malformed message: output without its offset",
    "gone": "otter is gone",
}
