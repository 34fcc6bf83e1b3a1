"""Bad peers: each gets one clear answer or a clean close, and the running session never notices."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wire_client import ATTACH, INPUT, Place, Refusal, WireClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ptyd_user import Container, Ptyd

UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)


@pytest.fixture
def session(ptyd: Ptyd) -> Iterator[Container]:
    """A running session with somebody attached, who must not notice anything."""
    container = ptyd.start("cat")
    server = container.server_pid()
    with container.attach() as client:
        client.type("before\n")
        client.read_until("before\r\nbefore\r\n")
        yield container
        client.type("after\n")
        client.read_until("after\r\nafter\r\n")

        assert client.output == b"before\r\nbefore\r\nafter\r\nafter\r\n"
        assert client.closed is None
    assert container.server_pid() == server


def connect(container: Container) -> socket.socket:
    return socket.create_connection(("127.0.0.1", container.port()), timeout=20)


def answer_to(container: Container, request: bytes) -> bytes:
    """Send bytes, return all that comes back until the server closes."""
    with connect(container) as sock:
        answer = b""
        try:
            sock.sendall(request)
            while data := sock.recv(65536):
                answer += data
        except (ConnectionResetError, BrokenPipeError):
            pass
        return answer


def status_of(answer: bytes) -> int:
    """Return the status of an HTTP answer that must have one line of text as its body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body.endswith(b"\n")
    assert body.count(b"\n") == 1
    return int(head.split()[1])


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\r\n\r\nnonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nbroken header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 400_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"GET /no HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"POST /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n", 426),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", 200),
    ],
    ids=lambda value: value if isinstance(value, int) else value[:24].decode(),
)
def test_a_bad_http_request_is_answered_with_a_status_and_a_line(
    session: Container, request_: bytes, status: int
) -> None:
    """And with the end of the connection."""
    assert status_of(answer_to(session, request_)) == status


@pytest.mark.parametrize(
    ("more", "host", "status"),
    [
        ("", "localhost", 400),
        ("Sec-WebSocket-Protocol: chat\r\n", "localhost", 400),
        ("Sec-WebSocket-Protocol: ptyd.v1\r\n", "localhost", 401),
        ("Sec-WebSocket-Protocol: ptyd.v1, ptyd.token.wrongwrongwrong\r\n", "localhost", 401),
        ("Sec-WebSocket-Protocol: ptyd.v1, ptyd.token.{token}\r\n", "evil.example", 403),
        (
            "Sec-WebSocket-Protocol: ptyd.v1, ptyd.token.{token}\r\nOrigin: http://evil.example\r\n",
            "localhost",
            403,
        ),
        (
            "Sec-WebSocket-Protocol: ptyd.v1, ptyd.token.{token}\r\nOrigin: null\r\n",
            "localhost",
            403,
        ),
    ],
    ids=["none", "other", "no-token", "wrong-token", "host", "origin", "null-origin"],
)
def test_a_websocket_that_may_not_be_is_refused(
    session: Container, more: str, host: str, status: int
) -> None:
    """No subprotocol, no token, a wrong one, a foreign page."""
    token = Place.of_link(session.link()).token
    request = UPGRADE.format(path="/ws", host=host, more=more.format(token=token))

    assert status_of(answer_to(session, request.encode())) == status


def test_a_page_of_the_same_place_may_connect(session: Container) -> None:
    """Origin equal to Host."""
    token = Place.of_link(session.link()).token
    host = f"127.0.0.1:{session.port()}"
    more = f"Origin: http://{host}\r\nSec-WebSocket-Protocol: ptyd.v1, ptyd.token.{token}\r\n"
    with connect(session) as sock:
        sock.sendall(UPGRADE.format(path="/ws", host=host, more=more).encode())
        answer = sock.recv(4096)

    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Protocol: ptyd.v1\r\n" in answer


def test_a_wrong_token_is_one_line_for_the_user(ptyd: Ptyd, session: Container) -> None:
    """ptyc says so, and 125."""
    link = session.link()
    token = Place.of_link(link).token
    wrong = link.replace(token, "A" * len(token))
    with pytest.raises(Refusal, match=r"401: .*token"):
        session.attach(wrong)
    done = ptyd.call("ptyc", wrong)

    assert (done.code, done.out) == (125, b"")
    assert len(done.err.splitlines()) == 1
    assert "A" * len(token) not in done.err


def test_a_text_message_is_unsupported(session: Container) -> None:
    """Close code 1003."""
    with session.attach() as client:
        client.send_text("hello")

        assert client.read_to_end()[0] == 1003


def test_an_unknown_kind_is_ignored(session: Container) -> None:
    """A later version may have more."""
    with session.attach() as client:
        for kind in (0, 1, 15, 23, 99, 255):
            client.send(kind, os.urandom(100))
        client.signal("WINCH")
        client.send(19, struct.pack("!Q", 0))
        client.wait_until(lambda: b"before" in client.output)

        assert client.closed is None


@pytest.mark.parametrize(
    ("kind", "payload", "code"),
    [
        (ATTACH, b"not json", 4002),
        (ATTACH, b"[]", 4002),
        (ATTACH, b'{"from":"nowhere"}', 4001),
        (ATTACH, b'{"from":-1}', 4001),
        (ATTACH, b'{"from":1e99}', 4001),
        (ATTACH, b'{"client":"xyz"}', 4001),
        (ATTACH, b'{"role":"king"}', 4001),
        (ATTACH, b'{"rows":70000,"cols":1}', 4001),
        (ATTACH, b'{"session":7}', 4004),
        (ATTACH, b'{"session":"0"}', 4001),
        (INPUT, struct.pack("!Q", 0) + b"x", 4002),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_first_message_that_is_no_good_attach_is_refused(
    session: Container, kind: int, payload: bytes, code: int
) -> None:
    """By the close code of the table, with a reason."""
    with WireClient(session.control) as client:
        client.send(kind, payload)
        closed = client.read_to_end()

    assert closed[0] == code
    assert closed[1]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [(ATTACH, b"{}"), (INPUT, b"short"), (18, b"\0"), (19, b"1234567"), (20, b"\xff"), (22, b"")],
    ids=str,
)
def test_a_malformed_message_is_a_violation(session: Container, kind: int, payload: bytes) -> None:
    """Close code 4002 after the attach."""
    with session.attach() as client:
        client.send(kind, payload)

        assert client.read_to_end()[0] == 4002


def test_a_message_over_a_mebibyte_is_too_large(session: Container) -> None:
    """Close code 1009, whole or in fragments."""
    with session.attach() as client:
        client.send(99, bytes((1 << 20) + 1))

        assert client.read_to_end()[0] == 1009


def test_a_megabyte_of_noise_is_cut_off(session: Container) -> None:
    """In place of a request, in place of frames, and on the control socket."""
    noise = os.urandom(1 << 20)
    answer = answer_to(session, noise)
    with session.attach(session.link()) as client:
        try:
            client.socket.sendall(noise)
        except (ConnectionResetError, BrokenPipeError):
            pass
        code, _ = client.read_to_end()
    with WireClient(session.control) as bare:
        try:
            bare.socket.sendall(noise)
        except (ConnectionResetError, BrokenPipeError):
            pass
        bare.read_to_end()

    assert answer == b"" or status_of(answer) in (400, 431)
    assert code in (1002, 1006, 1007, 1009)


def test_a_client_that_stops_in_a_handshake_is_let_go_after_ten_seconds(session: Container) -> None:
    """Half a request: 408. A whole handshake without an attach: 4005. Nobody else waits."""
    started = time.monotonic()
    with connect(session) as half, WireClient(session.control) as silent:
        half.sendall(b"GET /ws HTTP/1.1\r\nHost: loc")
        with session.attach() as client:
            client.read_until("before")
        prompt = time.monotonic() - started
        answer = b""
        while data := half.recv(4096):
            answer += data
        code, _ = silent.read_to_end()
    took = time.monotonic() - started

    assert prompt < 5
    assert status_of(answer) == 408
    assert code == 4005
    assert 9 < took < 18


def test_clients_that_vanish_in_the_middle_are_no_matter(session: Container) -> None:
    """At every stage of a connection, many times."""
    token = Place.of_link(session.link()).token
    more = f"Sec-WebSocket-Protocol: ptyd.v1, ptyd.token.{token}\r\n"
    request = UPGRADE.format(path="/ws", host="localhost", more=more).encode()
    frame = b"\x82\x83\x00\x00\x00\x00\x10{}"
    whole = request + frame
    for length in range(0, len(whole) + 1, 7):
        with connect(session) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(whole[:length])


def test_more_connections_than_descriptors_is_no_end(session: Container) -> None:
    """Out of descriptors the server accepts no more; with some free again it does."""
    pid = session.server_pid()
    # As the server's own user: to limit another's, even root wants CAP_SYS_RESOURCE.
    uid, gid = (
        int(line.split()[1])
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith(("Uid:", "Gid:"))
    )
    limit = ["prlimit", "--pid", str(pid), "--nofile=60:60"]
    subprocess.run(limit, check=True, user=uid, group=gid)
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connect(session))
    with session.attach(session.link()) as client:
        client.read_until("before")


def test_a_container_that_has_ended_is_one_line(ptyd: Ptyd) -> None:
    """attach, ptyc and share say so."""
    ptyd("run", "--name", "over", "true")
    ptyd("stop", "over")
    container = ptyd.container("over")
    for words, code in ((["ptyd", "attach"], 1), (["ptyc"], 125), (["ptyd", "share"], 125)):
        done = ptyd.call(*words, "over")

        assert (done.code, done.out) == (code, b"")
        assert len(done.err.splitlines()) == 1, done.err
        assert "over" in done.err
    assert container.described["State"]["Status"] == "exited"


@pytest.mark.parametrize(
    "words",
    [
        ["ptyd", "attach", "nobody"],
        ["ptyd", "logs", "nobody"],
        ["ptyd", "inspect", "nobody"],
        ["ptyd", "stop", "nobody"],
        ["ptyd", "rm", "nobody"],
        ["ptyd", "share", "nobody"],
        ["ptyc", "nobody"],
        ["ptyc", "127.0.0.1:1"],
        ["ptyc", "http://127.0.0.1:1/#t=" + "A" * 32],
        ["ptyc", "http://"],
        ["ptyc"],
    ],
    ids=lambda words: " ".join(words)[:30],
)
def test_what_is_not_there_is_one_line(ptyd: Ptyd, words: list[str]) -> None:
    """And 125, or docker's 1, without a traceback."""
    done = ptyd.call(*words)

    assert done.code == (1 if words[0] == "ptyd" and words[1] != "share" else 125)
    assert done.out in (b"", b"[]\n")
    assert len(done.err.splitlines()) == 1, done.err


def test_a_full_disk_behind_our_output_is_one_line(ptyd: Ptyd) -> None:
    """Whatever was to be printed on it, once; where there is no place for a line, a code."""
    lines = {"--help": "--help", "--version": "--version", "ps --help": "ps", "ps": "ps"}
    with open("/dev/full", "wb") as full:
        for words, verb in lines.items():
            done = subprocess.run(
                ptyd.command("ptyd", *words.split()),
                stdout=full,
                stderr=subprocess.PIPE,
                env=ptyd.env,
                timeout=40,
                check=False,
            )

            line = f"ptyd {verb}: No space left on device\n"
            assert (done.returncode, done.stderr.decode()) == (125, line)
        for words, code in {"logs nobody": 1, "share nobody": 125, "no-verb": 125}.items():
            command = ptyd.command("ptyd", *words.split())
            silent = subprocess.run(
                command, stdout=full, stderr=full, env=ptyd.env, timeout=40, check=False
            )

            assert silent.returncode == code


def test_bytes_that_are_no_text_are_told_as_they_are(ptyd: Ptyd) -> None:
    """Also where Python is strict about them: in every locale but C and POSIX."""
    strict = {"PYTHONIOENCODING": "utf-8:strict"}
    ptyd("run", "--name", "it", "echo", "\udcff")

    assert ptyd("inspect", "-f", "{{.Args}}", "it", **strict) == (0, b"[\xff]\n", "")
    assert ptyd("ps", "-a", "--format", "\udcff", **strict).out == b"\xff\n"
    assert ptyd("export", "it", **strict).code == 0


def test_what_a_line_quotes_drives_no_terminal(ptyd: Ptyd, tmp_path: Path) -> None:
    """Not even a file's name."""
    ptyd("run", "--name", "it", "true")
    done = ptyd("export", "-o", f"{tmp_path}/no/\x1b[31m\x9b\n", "it")

    assert done.code == 125
    assert done.err.removesuffix("\n").isprintable()
