"""HTTP: one request a connection; every refusal is a status and a line, whatever was sent."""

from __future__ import annotations

import random
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from ptycli.certificate import make_self_signed
from ptyd.net import http
from ptyd.net.tls import server_context
from served import Served

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3, and the answer to it
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return make_self_signed(str(tmp_path_factory.mktemp("tls")), "127.0.0.1")


def request(
    served: Served, line: str = "GET /ws HTTP/1.1", **changes: str | list[str] | None
) -> bytes:
    """Return a good handshake with some headers changed, None for left out."""
    headers: dict[str, Any] = {
        "Host": f"127.0.0.1:{served.port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Protocol": f"ptyd.v1, ptyd.token.{served.token}",
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [line]
    for name, value in headers.items():
        values = value if isinstance(value, list) else [value]
        lines += [f"{name}: {each}" for each in values if each is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read_head(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and what followed them."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(4096)
        assert chunk, f"closed without an answer, after {data!r}"
        data += chunk
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, rest


def ask(sock: socket.socket, data: bytes) -> tuple[int, str]:
    """Send a request; return the status and the line of a connection that is then closed."""
    sock.sendall(data)
    status, headers, body = read_head(sock)
    while chunk := sock.recv(4096):
        body += chunk

    assert int(headers["content-length"]) == len(body)
    assert body.endswith(b"\n")
    assert headers["connection"] == "close"
    return status, body.decode().strip()


def test_a_good_handshake_is_accepted(served: Served) -> None:
    """The answer is the RFC's, and names ptyd.v1 alone."""
    sock = served.connect()
    sock.sendall(request(served))
    status, headers, rest = read_head(sock)

    assert status == 101
    assert headers["sec-websocket-accept"] == ACCEPT.lower()
    assert headers["sec-websocket-protocol"] == "ptyd.v1"
    assert "sec-websocket-extensions" not in headers
    assert rest == b""


def test_a_handshake_may_come_byte_by_byte(served: Served) -> None:
    """TCP has no messages."""
    sock = served.connect()
    for byte in request(served):
        sock.sendall(bytes([byte]))

    assert read_head(sock)[0] == 101


REFUSALS: list[tuple[int, str, dict[str, Any]]] = [
    (400, "GET /ws HTTP/1.1", {"Sec_WebSocket_Protocol": None}),
    (400, "GET /ws HTTP/1.1", {"Sec_WebSocket_Protocol": "chat, ptyd.v2"}),
    (400, "GET /ws HTTP/1.1", {"Sec_WebSocket_Key": None}),
    (400, "GET /ws HTTP/1.1", {"Sec_WebSocket_Key": "short"}),
    (400, "GET /ws HTTP/1.1", {"Sec_WebSocket_Key": [KEY, KEY]}),
    (400, "GET /ws HTTP/1.1", {"Sec_WebSocket_Version": "12"}),
    (400, "GET /ws HTTP/1.1", {"Sec_WebSocket_Version": ["13", "13"]}),
    (400, "GET /ws HTTP/1.1", {"Host": None}),
    (400, "GET /ws HTTP/1.1", {"Host": ["127.0.0.1", "127.0.0.1"]}),
    (400, "GET /ws HTTP/1.1", {"Bad Header": "x"}),
    (400, "GET /ws", {}),
    (400, "nonsense", {}),
    (401, "GET /ws HTTP/1.1", {"Sec_WebSocket_Protocol": "ptyd.v1"}),
    (401, "GET /ws HTTP/1.1", {"Sec_WebSocket_Protocol": "ptyd.v1, ptyd.token."}),
    (401, "GET /ws HTTP/1.1", {"Sec_WebSocket_Protocol": "ptyd.v1, ptyd.token.wrong-token"}),
    (401, "GET /ws HTTP/1.1", {"Sec_WebSocket_Protocol": "ptyd.v1, ptyd.token.a, ptyd.token.b"}),
    (403, "GET /ws HTTP/1.1", {"Host": "evil.example.net"}),
    (403, "GET /healthz HTTP/1.1", {"Host": "evil.example.net"}),
    (403, "POST /ws HTTP/1.1", {"Host": "evil.example.net"}),
    (403, "GET /ws HTTP/1.0", {"Host": None}),
    (403, "GET /ws HTTP/1.1", {"Origin": "http://evil.example.net"}),
    (403, "GET /ws HTTP/1.1", {"Origin": "null"}),
    (403, "GET / HTTP/1.1", {"Origin": "http://127.0.0.1:1"}),
    (404, "GET /wss HTTP/1.1", {}),
    (404, "GET /ws/ HTTP/1.1", {}),
    (404, "GET //ws HTTP/1.1", {}),
    (404, "GET /../etc/passwd HTTP/1.1", {}),
    (404, "GET http://127.0.0.1/ws HTTP/1.1", {}),
    (405, "POST /ws HTTP/1.1", {}),
    (405, "OPTIONS * HTTP/1.1", {}),
    (405, "DELETE /healthz HTTP/1.1", {}),
    (426, "GET /ws HTTP/1.1", {"Upgrade": None}),
    (426, "GET /ws HTTP/1.1", {"Upgrade": "h2c"}),
    (426, "GET /ws HTTP/1.1", {"Connection": None}),
    (426, "GET /ws HTTP/1.1", {"Upgrade": ["h2c", "h3"]}),
]


@pytest.mark.parametrize(
    ("status", "line", "changes"), REFUSALS, ids=lambda value: str(value)[:60] if value else ""
)
def test_a_refusal_is_a_status_and_a_line(
    served: Served, status: int, line: str, changes: dict[str, Any]
) -> None:
    """Each as ARCHITECTURE.md lists them; nobody gets in by any of these."""
    answer = ask(served.connect(), request(served, line, **changes))

    assert answer[0] == status
    assert "\n" not in answer[1]
    assert served.on_loop(lambda: len(served.container.websockets)) == 0


def test_an_expired_token_is_refused(served: Served) -> None:
    """401, as one that never was."""
    old = served.share("control", expires=1.0)
    offered = f"ptyd.v1, ptyd.token.{old}"

    assert ask(served.connect(), request(served, Sec_WebSocket_Protocol=offered))[0] == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"Host": "box.example.org"},
        {"Host": "BOX.example.org:99", "Origin": "https://box.example.org:99"},
        {"Host": "localhost"},
        {"Sec_WebSocket_Protocol": ["ptyd.v1", None]},
        {"Upgrade": "WebSocket"},
        {"Connection": "keep-alive, Upgrade"},
    ],
    ids=str,
)
def test_what_browsers_and_proxies_send_is_accepted(
    served: Served, changes: dict[str, Any]
) -> None:
    """Names in any case, headers in several lines."""
    if "Sec_WebSocket_Protocol" in changes:
        changes = {"Sec_WebSocket_Protocol": ["ptyd.v1", f"ptyd.token.{served.token}"]}
    sock = served.connect()
    sock.sendall(request(served, **changes))

    assert read_head(sock)[0] == 101


@pytest.mark.parametrize(("path", "line"), [("/healthz", "ok"), ("/healthz?probe=1", "ok")])
def test_health_needs_no_token(served: Served, path: str, line: str) -> None:
    """A probe asks, and gets one word."""
    bare = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()

    assert ask(served.connect(), bare) == (200, line)


def test_the_front_page_tells_no_secret(served: Served) -> None:
    """Whoever finds the port learns what it is, not what it is called."""
    bare = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    status, text = ask(served.connect(), bare)

    assert status == 200
    assert "ptyd" in text.lower()
    assert "brave_otter" not in text
    assert served.token not in text


@pytest.mark.parametrize("pieces", [1, 20])
@pytest.mark.parametrize(("over", "status"), [(0, 101), (1, 431), (100_000, 431)])
def test_a_request_has_a_size(served: Served, over: int, status: int, pieces: int) -> None:
    """16 KiB and not a byte more, in however many reads it comes; what follows does not count."""
    bare = request(served, X_Pad="")
    data = request(served, X_Pad="x" * (http.MAX_HEADERS - len(bare) + over))
    assert len(data) == http.MAX_HEADERS + over
    data += b"\x82\x80masked" if status == 101 else b""
    size = -(-len(data) // pieces)
    sock = served.connect()
    for start in range(0, len(data), size):
        sock.sendall(data[start : start + size])

    assert read_head(sock)[0] == status


@pytest.mark.parametrize("kind", ["noise", "zeros", "one long line", "endless headers"])
def test_a_megabyte_of_garbage_is_refused(served: Served, kind: str) -> None:
    """What is kept of it is bounded, the answer comes, and others are served as before."""
    size = 1 << 20
    data = {
        "noise": random.Random(1).randbytes(size),
        "zeros": bytes(size),
        "one long line": b"GET /" + b"a" * size,
        "endless headers": b"GET /ws HTTP/1.1\r\n" + b"X-Y: z\r\n" * (size // 8),
    }[kind]
    sock = served.connect()
    try:
        sock.sendall(data)
        status = read_head(sock)[0]
    except (BrokenPipeError, ConnectionResetError):
        status = 400  # it was closed while we were still sending: that is an answer too

    assert status in (400, 431)
    assert served.attached().hello["event"] == "hello"


def test_a_slow_request_is_timed_out(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """408 after REQUEST_WITHIN, which is ten seconds where people are."""
    assert http.REQUEST_WITHIN == 10.0
    monkeypatch.setattr(http, "REQUEST_WITHIN", 0.05)

    assert ask(served.connect(), b"GET /ws HTT")[0] == 408


def test_a_connection_that_says_nothing_is_timed_out(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor may one hold a descriptor by being silent."""
    monkeypatch.setattr(http, "REQUEST_WITHIN", 0.05)

    assert ask(served.connect(), b"")[0] == 408


def test_a_peer_that_leaves_is_let_go(served: Served) -> None:
    """Half a request and then nothing: the descriptor is free at once."""
    sock = served.connect()
    sock.sendall(b"GET /ws HTTP/1.1\r\n")
    sock.close()
    served.wait(lambda: served.channels and not any(c.is_open for c in served.channels))


def test_control_sock_needs_no_token(served: Served) -> None:
    """The peer's uid is enough, and makes it the owner; Host says nothing there."""
    assert served.owner().hello["role"] == "owner"


# TLS


@pytest.fixture
def secure(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
    tmp_path: Path,
    certificate: tuple[str, str],
) -> Iterator[Served]:
    with Served(make_loop, tmp_path, tls=server_context(*certificate)) as it:
        yield it


def wrapped(served: Served, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = version
    return context.wrap_socket(served.connect())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_https_is_spoken_where_it_was_asked_for(secure: Served, version: ssl.TLSVersion) -> None:
    """The handshake, the request and the closing alert."""
    with wrapped(secure, version) as sock:
        assert ask(sock, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") == (200, "ok")


def test_plain_http_is_refused_there(secure: Served) -> None:
    """400 with a line that says what to do; a token sent in the clear opens nothing."""
    status, line = ask(secure.connect(), request(secure))

    assert (status, line) == (400, "this port speaks TLS: use https")


def test_broken_tls_is_closed(secure: Served) -> None:
    """A hello that is none gets an alert or nothing, and never HTTP."""
    sock = secure.connect()
    sock.sendall(b"\x16\x03\x01\x00\x20" + b"x" * 1000)
    answer = b""
    try:
        while chunk := sock.recv(4096):
            answer += chunk
    except ConnectionResetError:
        pass

    assert b"HTTP" not in answer
    with wrapped(secure) as good:
        assert ask(good, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")[0] == 200


def test_slow_tls_is_timed_out(secure: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handshake that never ends holds nothing for ever."""
    monkeypatch.setattr(http, "REQUEST_WITHIN", 0.05)
    sock = secure.connect()
    sock.sendall(b"\x16\x03\x01")
    try:
        while sock.recv(4096):
            pass
    except ConnectionResetError:
        pass
