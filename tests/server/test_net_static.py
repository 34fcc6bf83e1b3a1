"""The page as it is served: from a table, with a policy, to GET and HEAD alone."""

from __future__ import annotations

import gzip
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ptyd.net import static

if TYPE_CHECKING:
    from served import Served

DIST = Path(__file__).parent.parent.parent / "web" / "dist"
FILES = sorted(str(path.relative_to(DIST)) for path in DIST.rglob("*") if path.is_file())


def ask(
    served: Served, path: str, method: str = "GET", more: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers by lower-case name, and body."""
    data = b""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as sock:
        sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n".encode())
        while chunk := sock.recv(1 << 16):
            data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), {name.lower(): value for name, value in headers.items()}, body


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_the_page_is_served(served: Served, name: str) -> None:
    """Whole, with its type, and nothing sniffs another."""
    path = "/" if name == "index.html" else f"/{name}"
    status, headers, body = ask(served, path)

    assert status == 200
    assert body == (DIST / name).read_bytes()
    assert headers["content-length"] == str(len(body))
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    kinds = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg"}
    assert headers["content-type"].startswith(kinds.get(name.rpartition(".")[2], "text/plain"))
    assert ("immutable" in headers["cache-control"]) == name.startswith("assets/")


@pytest.mark.parametrize("name", FILES)
def test_a_browser_gets_it_packed(served: Served, name: str) -> None:
    """A quarter of the size; the bytes are the same."""
    path = "/" if name == "index.html" else f"/{name}"
    _, headers, body = ask(served, path, more="Accept-Encoding: br, gzip;q=0.8\r\n")

    assert headers["content-encoding"] == "gzip"
    assert headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(body) == (DIST / name).read_bytes()
    assert len(body) == int(headers["content-length"]) < 200_000


@pytest.mark.parametrize("value", ["", "br", "gzip;q=0", "GZIP; Q=0.000", "xgzip, gzip2", ";;,"])
def test_who_does_not_take_it_packed_gets_it_plain(served: Served, value: str) -> None:
    """Nor is a wish understood that is none."""
    _, headers, body = ask(served, "/", more=f"Accept-Encoding: {value}\r\n")

    assert "content-encoding" not in headers
    assert body == (DIST / "index.html").read_bytes()


def test_the_policy_allows_nothing_inline_and_nothing_foreign(served: Served) -> None:
    """No inline script or style, no eval, no other host, no frame, no HTML from text."""
    policy = ask(served, "/")[1]["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))

    assert directives["default-src"] == "'none'"
    assert directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    assert directives["require-trusted-types-for"] == "'script'"
    assert set(directives.values()) <= {"'none'", "'self'", "'script'"}


def test_the_page_names_no_other_host() -> None:
    """Everything comes from where the page comes from, by relative addresses."""
    page = (DIST / "index.html").read_text()
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)

    assert len(addresses) >= 3
    assert all(address.startswith("./assets/") for address in addresses)


def test_head_is_get_without_the_body(served: Served) -> None:
    """The same headers, no byte behind them."""
    status, headers, body = ask(served, "/", "HEAD")

    assert (status, body) == (200, b"")
    assert headers == ask(served, "/")[1]


@pytest.mark.parametrize(
    "path",
    [
        "/index.htm",
        "/assets",
        "/assets/",
        "/assets/../index.html",
        "/../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/%2e%2e/index.html",
        "//etc/passwd",
        "/..\\..\\etc\\passwd",
        "/package.json",
        "/static.py",
    ],
)
def test_a_path_leads_nowhere_else(served: Served, path: str) -> None:
    """What is not in the table does not exist."""
    assert ask(served, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(served: Served, method: str) -> None:
    """Only GET and HEAD."""
    assert ask(served, "/", method)[0] == 405


def test_a_slow_reader_gets_the_whole_file(served: Served) -> None:
    """A file that the kernel does not take at once is not cut off by the end of the connection."""
    name = max(FILES, key=lambda each: (DIST / each).stat().st_size)
    expected = (DIST / name).read_bytes()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", served.port))
        served.on_loop(lambda: None)
        sock.sendall(f"GET /{name} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        data = b""
        while chunk := sock.recv(1000):
            data += chunk

    assert data.partition(b"\r\n\r\n")[2] == expected


def test_without_a_build_there_is_no_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A checkout whose page was never built still tells how to attach."""
    monkeypatch.setattr(static, "_FOLDERS", (str(tmp_path),))
    static._table.cache_clear()
    try:
        assert static.page_at("/") is None
    finally:
        static._table.cache_clear()
