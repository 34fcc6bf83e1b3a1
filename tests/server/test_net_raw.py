"""Raw: bytes both ways for nc and telnet, and nothing for a browser."""

from __future__ import annotations

import os
import random
import socket
from typing import TYPE_CHECKING

import pytest

from ptyd.net import raw
from served import Served
from session_program import pattern

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path


UNASKING = 64 << 10
"""Bytes of the pattern before its first query, which the screen would answer."""


def read(sock: socket.socket, size: int) -> bytes:
    """Read ``size`` bytes, fewer only at the end."""
    data = bytearray()
    while len(data) < size and (chunk := sock.recv(min(65536, size - len(data)))):
        data += chunk
    return bytes(data)


def read_to_end(sock: socket.socket) -> bytes:
    return read(sock, 1 << 40)


def journaled(served: Served) -> None:
    served.wait(lambda: served.session.journal.end >= served.program.written)


def test_every_byte_passes_both_ways(served: Served) -> None:
    """Output and typing in odd pieces, none of it changed."""
    sock = served.connect(served.raw_port)
    served.wait(lambda: served.container.raw_clients)
    chance = random.Random(4)
    keys = chance.randbytes(5000).replace(b"\x16", b".")
    served.write(UNASKING)
    output = read(sock, UNASKING)
    for start in range(0, len(keys), 700):
        sock.sendall(b"x" * (start == 0) + keys[start : start + 700])

    assert output == pattern(0, UNASKING)
    assert served.typed(5001) == b"x" + keys


def test_one_that_comes_late_gets_a_replay(served: Served) -> None:
    """The last lines stand for the screen, then what is new."""
    served.print(b"an old line\r\n")
    sock = served.connect(served.raw_port)
    old = read(sock, 13)
    served.print(b"new")

    assert (old, read(sock, 3)) == (b"an old line\r\n", b"new")


def test_the_end_comes_after_the_last_byte(served: Served) -> None:
    """End-of-file is the only status that raw has."""
    sock = served.connect(served.raw_port)
    served.wait(lambda: served.container.raw_clients)
    served.write(300_000)
    journaled(served)
    served.exit(1)

    assert read_to_end(sock) == pattern(0, 300_000)


@pytest.mark.parametrize(
    "head",
    [b"GET / HTTP/1.1\r\n", b"POST ", b"PRI * HTTP/2.0", b"OPTIONS /", b"\x16\x03\x01\x02\x00"],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_browser_is_closed_at_once(served: Served, head: bytes, *, at_once: bool) -> None:
    """A page can make a request to any port: not one byte of it is typed."""
    sock = served.connect(served.raw_port)
    for piece in [head] if at_once else [head[n : n + 1] for n in range(len(head))]:
        try:
            sock.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            break
    try:
        rest = read_to_end(sock)
    except ConnectionResetError:
        rest = b""
    other = served.connect(served.raw_port)
    other.sendall(b"ls\r")

    assert rest == b""
    assert served.typed(3) == b"ls\r"


@pytest.mark.parametrize("head", [b"GE", b"P", b"\x16"])
def test_what_might_be_a_browser_is_typed_in_a_moment(
    served: Served, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    """Somebody types slowly: nothing is held back for long, nor for ever."""
    monkeypatch.setattr(raw, "UNDECIDED", 0.02)
    sock = served.connect(served.raw_port)
    sock.sendall(head)
    first = served.typed(len(head))
    sock.sendall(b"T / later")

    assert first == head
    assert served.typed(9) == b"T / later"


def test_a_half_close_only_ends_the_typing(served: Served) -> None:
    """``echo ls | nc`` sees the output of its ls."""
    sock = served.connect(served.raw_port)
    sock.sendall(b"GE")
    sock.shutdown(socket.SHUT_WR)
    typed = served.typed(2)
    served.print(b"the answer")
    answer = read(sock, 10)
    served.exit(0)

    assert (typed, answer) == (b"GE", b"the answer")
    assert read_to_end(sock) == b""


def test_one_that_does_not_read_slows_nobody(
    make_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    """The program runs on; what was dropped meanwhile is said where it is missing."""
    # Pipes: a terminal takes seconds for what fills the buffers of two sockets.
    with Served(make_loop, tmp_path, terminal=False, log_max=256 << 10) as served:
        sock = served.connect(served.raw_port)
        served.wait(lambda: served.container.raw_clients)
        total = 12 << 20
        served.write(total)
        journaled(served)
        served.exit(0)
        pending = served.pending
        seen = read_to_end(sock)
        head, _, rest = seen.partition(b"\r\n[ptyd: ")
        lost, _, tail = rest.partition(b" bytes were dropped here]\r\n")

        assert pending < 1 << 20
        assert head == pattern(0, len(head))
        assert tail == pattern(len(head) + int(lost), len(tail))
        assert len(head) + int(lost) + len(tail) == total


def test_what_was_typed_before_leaving_is_typed(served: Served) -> None:
    """Though output is sent to it before that is read, which fails; one undecided letter, too."""
    sock = served.connect(served.raw_port)
    served.wait(lambda: served.container.raw_clients)

    def leave() -> None:
        sock.sendall(b"G")  # GET begins so
        sock.close()
        for _ in range(2):
            os.write(served.program.out, b"output")
            served.session._on_output(served.session._intakes[0])

    served.on_loop(leave)

    assert served.typed(1) == b"G"
    served.wait(lambda: not served.container.raw_clients)


def test_a_client_that_vanishes_is_forgotten(served: Served) -> None:
    """In the middle of output, without a word."""
    sock = served.connect(served.raw_port)
    served.wait(lambda: served.container.raw_clients)
    sock.close()
    served.write(1 << 20)
    journaled(served)
    served.wait(lambda: not served.container.raw_clients and not served.session.audience.readers)
