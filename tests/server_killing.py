"""Kills the server of a flooding container again and again, and holds what comes to its promise."""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from typing import TYPE_CHECKING

from waiting import is_alive, wait_for_end

if TYPE_CHECKING:
    from ptyd_user import Container, Ptyd
    from wire_client import WireClient

FLOOD = ["sh", "-c", "stty raw -echo; exec seq 1 10000000000"]
"""Never ends, and what it prints at any offset is known."""


def kill_under_flood(ptyd: Ptyd, times: int, seed: int) -> None:
    """Kill at random moments; fail if a connection is refused or one byte is not as it must be."""
    chance = random.Random(seed)
    container = ptyd.start(*FLOOD)
    program = container.pid
    # An owner that holds: the program waits for this slow Python, so nothing is ever dropped.
    client = container.attach(hold=True)
    try:
        for _ in range(times):
            _read_for_a_while(client, chance.uniform(0.0, 0.15))
            _kill_a_server(container, chance)
            assert is_alive(program)
            client.read_to_end()
            assert client.closed == (1006, "")
            _check_port(container)
            client = _resumed(client)
        _read_for_a_while(client, 0.1)
        assert len(client.output) > 0
    finally:
        client.close()
    _check_journal(container)


def _read_for_a_while(client: WireClient, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        client.step(left)


def _kill_a_server(container: Container, chance: random.Random) -> None:
    """Kill the server; one time in four kill also the next, while it starts."""
    for _ in range(2 if chance.random() < 0.25 else 1):
        pid = _any_server(container)
        os.kill(pid, signal.SIGKILL)
        wait_for_end(pid)


def _any_server(container: Container) -> int:
    """Return the pid of the server, ready or not: one of the keeper's children."""
    keeper = container.keeper_pid
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with open(f"/proc/{keeper}/task/{keeper}/children", encoding="ascii") as file:
            for word in file.read().split():
                if _is_server(int(word)):
                    return int(word)
    raise AssertionError("there is no server")


def _is_server(pid: int) -> bool:
    """Tell a server from init, from a screen and from who carries the network."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"/ptyd/__main__.py" in file.read() and is_alive(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False


def _check_port(container: Container) -> None:
    """Connect to the port, which must not be refused, and be answered."""
    with socket.create_connection(("127.0.0.1", container.port()), timeout=20) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        answer = b""
        while data := sock.recv(4096):
            answer += data
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nok\n")


def _resumed(client: WireClient) -> WireClient:
    """Come back at the next byte, check what came so far, and forget it."""
    fresh = client.again(hold=True)
    assert fresh.hello["from"] == client.offset
    assert fresh.hello["replay"] is False
    _check_piece(client)
    return fresh


def _check_piece(client: WireClient) -> None:
    start = client.offset - len(client.output)
    assert bytes(client.output) == _expected(start, client.offset)


def _expected(start: int, end: int) -> bytes:
    """Return bytes ``start`` to ``end`` of the numbers 1, 2, 3, …, a line each."""
    number, offset, digits = 1, 0, 1
    while True:  # skip all numbers of as many digits at once
        size = 9 * 10 ** (digits - 1) * (digits + 1)
        if offset + size > start:
            break
        offset += size
        digits += 1
        number = 10 ** (digits - 1)
    skipped = (start - offset) // (digits + 1)
    number += skipped
    offset += skipped * (digits + 1)
    pieces: list[bytes] = []
    length = 0
    begin = start - offset
    while length < begin + end - start:
        piece = b"%d\n" % number
        pieces.append(piece)
        length += len(piece)
        number += 1
    return b"".join(pieces)[begin : begin + end - start]


def _check_journal(container: Container) -> None:
    """What is on disk are the same bytes, from the oldest held to the end."""
    with container.attach(from_="end") as client:
        client.signal("KILL")
        client.read_to_end()
    names = sorted(os.listdir(container.journal_folder))
    start = int(names[0].partition(".")[0])
    data = container.journal()
    assert data == _expected(start, start + len(data))
