"""The programs of the benchmarks measure what they say, and see a byte that is lost or wrong."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from ptywire import message as wire

if TYPE_CHECKING:
    from collections.abc import Iterator

BENCH = Path(__file__).parent.parent.parent / "bench"
SIZE = 3_000_000
"""Bytes: more than the pattern's period, so that it begins again."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    for name in ("ceiling", "drain", "flood"):
        built, source = str(folder / name), str(BENCH / f"{name}.c")
        flags = ["-O2", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(["cc", *flags, "-o", built, source, "-lutil"], check=True)
    return folder


@pytest.fixture(scope="module")
def flood(programs: Path) -> bytes:
    done = subprocess.run([str(programs / "flood"), str(SIZE)], check=True, stdout=subprocess.PIPE)
    return done.stdout


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield server


def drain(programs: Path, port: int, *options: str, viewers: int = 1) -> dict[str, Any]:
    command = [str(programs / "drain"), *options, "127.0.0.1", str(port), str(viewers), str(SIZE)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, timeout=60)
    ready, result = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(result)

    assert ready == "ready"
    assert (done.returncode == 0) == (not found["errors"] + found["gaps"] + found["missing"])
    return found


def serve_raw(listener: socket.socket, data: bytes) -> threading.Thread:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_the_flood_is_numbered_and_exact(flood: bytes) -> None:
    """One start, then lines whose numbers begin again after a prime."""
    lines = flood[1:].splitlines(keepends=True)

    assert len(flood) == 1 + SIZE
    assert flood[0] == 2
    assert all(len(line) == 64 for line in lines[:-1])
    assert [int(line[:8]) for line in lines] == [each % 16381 for each in range(len(lines))]
    assert flood[1:].isascii()


def test_the_ceiling_brings_every_byte_to_every_viewer(programs: Path) -> None:
    """Its flood starts with the last viewer, and none of them misses the beginning."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    ceiling_program, flood_program = str(programs / "ceiling"), str(programs / "flood")
    command = [ceiling_program, str(port), "5", flood_program, str(SIZE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as ceiling:
        assert ceiling.stdout is not None
        assert ceiling.stdout.readline() == b"listening\n"
        result = drain(programs, port, viewers=5)

        assert ceiling.wait(20) == 0
    assert result["bytes"] == 5 * SIZE
    assert result["seconds"] > 0


@pytest.mark.parametrize("preamble", [b"", b"ready\n"])
def test_a_raw_stream_is_verified(
    programs: Path, listener: socket.socket, flood: bytes, preamble: bytes
) -> None:
    """What a shell printed before the start does not count."""
    serving = serve_raw(listener, preamble + flood)
    result = drain(programs, listener.getsockname()[1])
    serving.join()

    assert result["bytes"] == SIZE
    assert result["errors"] == result["missing"] == 0


@pytest.mark.parametrize("damage", ["changed", "lost", "cut"])
def test_damage_is_seen(programs: Path, listener: socket.socket, flood: bytes, damage: str) -> None:
    """One byte changed, one lost in the middle, or an end that comes too early."""
    half = SIZE // 2
    middle = {"changed": b"\0" + flood[half + 1 :], "lost": flood[half + 1 :], "cut": b""}[damage]
    serving = serve_raw(listener, flood[:half] + middle)
    result = drain(programs, listener.getsockname()[1])
    serving.join()

    assert (result["errors"] > 0) == (damage != "cut")
    assert (result["missing"] > 0) == (damage != "changed")


class Server:
    """A server of ptyd.v1 for one viewer; keeps what it was told."""

    def __init__(self, listener: socket.socket) -> None:
        self.request = b""
        self.received: list[wire.ClientMessage] = []
        self.pongs: list[bytes] = []
        self._listener = listener
        self._protocol = Protocol(Side.SERVER, state=State.OPEN)

    def serve(self, messages: list[wire.ServerMessage]) -> None:
        connection, _ = self._listener.accept()
        with connection:
            while not self.request.endswith(b"\r\n\r\n"):
                self.request += connection.recv(4096)
            key = self.request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r")[0]
            digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            accept = base64.b64encode(digest)
            connection.sendall(b"HTTP/1.1 101 \r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            for message in messages:
                self._protocol.send_binary(wire.encode(message))
                self._protocol.send_ping(b"there?")
            # In pieces, so that a head comes in halves.
            data = b"".join(self._protocol.data_to_send())
            for start in range(0, len(data), 1013):
                connection.sendall(data[start : start + 1013])
            connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(65536):
                self._protocol.receive_data(more)
        for event in self._protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode is Opcode.PONG:
                self.pongs.append(bytes(event.data))
            else:
                said = wire.decode_client(bytes(event.data))
                assert said is not None
                assert not isinstance(said, wire.Violation)
                self.received.append(said)


def messages_of(data: bytes, sizes: list[int]) -> list[wire.ServerMessage]:
    messages: list[wire.ServerMessage] = [wire.Event({"event": "hello", "name": "x" * 200})]
    end = index = 0
    while end < len(data):
        chunk = data[end : end + sizes[index % len(sizes)]]
        end, index = end + len(chunk), index + 1
        messages.append(wire.Output(end, chunk))
    return messages


def test_ptyd_v1_is_spoken(programs: Path, listener: socket.socket, flood: bytes) -> None:
    """Frames of every width are understood, offsets acknowledged, and pings answered."""
    server = Server(listener)
    messages = messages_of(b"ready\n" + flood, [1, 100, 116, 117, 118, 4000, 65526, 65527, 200_000])
    serving = threading.Thread(target=server.serve, args=(messages,))
    serving.start()
    result = drain(programs, listener.getsockname()[1], "-p", "-t", "s3cret")
    serving.join()
    attach, *acks = server.received
    offsets = [ack.offset for ack in acks if isinstance(ack, wire.Ack)]

    assert result["bytes"] == SIZE
    assert result["errors"] == result["gaps"] == 0
    assert b"Sec-WebSocket-Protocol: ptyd.v1, ptyd.token.s3cret\r\n" in server.request
    assert attach == wire.Attach({"from": "start", "role": "view", "lossless": True})
    assert len(offsets) == len(acks)
    assert offsets == sorted(set(offsets))
    assert offsets[-1] == len(flood) + 6
    assert set(server.pongs) == {b"there?"}


def test_a_jump_of_the_offset_is_a_gap(
    programs: Path, listener: socket.socket, flood: bytes
) -> None:
    """A message that is missing is seen by its offset, whatever the bytes look like."""
    server = Server(listener)
    messages = messages_of(flood, [64])
    del messages[2]
    serving = threading.Thread(target=server.serve, args=(messages,))
    serving.start()
    result = drain(programs, listener.getsockname()[1], "-p")
    serving.join()

    assert result["gaps"] == 1
    assert result["errors"] > 0


@pytest.mark.parametrize("runtime", ["ptylaunch", "runc"])
def test_the_bundle_of_the_starts_runs_without_a_terminal(tmp_path: Path, runtime: str) -> None:
    """As the benchmark starts it, in a session of its own."""
    make = "import sys; sys.path[0] = sys.argv[1]; import launch, pathlib; "
    make += "launch.make_bundle(pathlib.Path(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", make, BENCH, tmp_path], check=True, timeout=30)
    path = f"{Path(sys.executable).parent}:/usr/sbin:/sbin:/usr/bin"
    program = shutil.which(runtime, path=path)
    assert program is not None
    done = subprocess.run(
        [program, "run", "-b", tmp_path, f"bench-{os.getpid()}"],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        start_new_session=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
