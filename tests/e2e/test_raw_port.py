"""The raw port: bytes both ways for ``nc``, nothing for a browser."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ptyd_user import Container, Ptyd


@pytest.fixture
def echo(ptyd: Ptyd) -> Container:
    return ptyd.start("--raw", "0", "sh", "-c", "stty raw -echo; printf ready; exec cat")


def connect(container: Container) -> socket.socket:
    return socket.create_connection(("127.0.0.1", container.port("raw")), timeout=20)


def read_until(sock: socket.socket, text: bytes) -> bytes:
    data = b""
    while not data.endswith(text):
        piece = sock.recv(65536)
        assert piece, f"closed after {data!r}"
        data += piece
    return data


def still_works(container: Container) -> None:
    with container.attach() as client:
        client.read_until("ready")
        client.type("works")
        client.read_until("works")


def test_nc_types_and_reads(ptyd: Ptyd) -> None:
    """A half-close ends the typing only; the connection ends after the last byte."""
    container = ptyd.start("--raw", "0", "sh", "-c", "read a; echo got $a; exit 3")
    port = str(container.port("raw"))
    done = subprocess.run(
        ["nc", "-N", "127.0.0.1", port],
        input=b"hello\n",
        capture_output=True,
        timeout=20,
        check=True,
    )

    assert done.stdout == b"hello\r\ngot hello\r\n"
    assert container.wait_for_status() == 3


def test_every_byte_passes_a_raw_connection(echo: Container) -> None:
    """0 to 255 both ways."""
    every_byte = bytes(range(256)) * 256
    with connect(echo) as sock:
        ready = read_until(sock, b"ready")
        sock.sendall(every_byte)
        data = b""
        while len(data) < len(every_byte):
            data += sock.recv(65536)

    assert ready == b"ready"
    assert data == every_byte


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nrm -rf\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\nrm -rf\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03" + bytes(64),
    ],
    ids=["get", "post", "options", "http2", "tls"],
)
@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
def test_a_browser_is_closed_and_nothing_is_typed(
    echo: Container, first: bytes, *, split: bool
) -> None:
    """A web page must not be able to type, in however many packets it comes."""
    with connect(echo) as sock:
        read_until(sock, b"ready")
        for part in (first[:2], first[2:]) if split else (first,):
            sock.sendall(part)
        try:
            answer = sock.recv(65536)
        except ConnectionResetError:
            answer = b""

    assert answer == b""
    still_works(echo)
    with echo.attach() as client:
        client.read_until("works")
        assert client.output == b"readyworks"


def test_letters_that_could_begin_a_request_are_typing_after_a_moment(echo: Container) -> None:
    """``G`` typed by a person arrives."""
    with connect(echo) as sock:
        read_until(sock, b"ready")
        sock.sendall(b"G")

        assert sock.recv(100) == b"G"


def test_a_raw_viewer_that_comes_late_gets_a_replay(ptyd: Ptyd) -> None:
    """The last 64 KiB from a line on."""
    container = ptyd.start("--raw", "0", "sh", "-c", "seq 1 30000; echo end; cat")
    with container.attach() as client:
        client.read_until("end\r\n")
    with connect(container) as sock:
        data = read_until(sock, b"end\r\n")

    assert len(data) <= 64 << 10
    assert data.split(b"\r\n")[-3:] == [b"30000", b"end", b""]
    assert data.split(b"\r\n")[0].isdigit()


def test_raw_leaves_loopback_only_when_told_to(ptyd: Ptyd) -> None:
    """``--raw-anywhere`` is the word; without it the refusal names it."""
    refused = ptyd("run", "-d", "--raw", "0.0.0.0:0", "cat")
    container = ptyd.start("--raw", "0.0.0.0:0", "--raw-anywhere", "cat")
    with connect(container) as sock:
        sock.sendall(b"there\n")
        read_until(sock, b"there\r\nthere\r\n")

    assert (refused.code, refused.out) == (125, b"")
    assert "--raw-anywhere" in refused.err
