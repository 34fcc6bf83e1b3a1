"""The page: the files of ``web/dist``, from a table that is made when the first browser comes.

A path is looked up in the table and never in the file system, so none can lead elsewhere.
"""

from __future__ import annotations

import gzip
import os
import re
from functools import cache
from typing import Final, NamedTuple

_HERE: Final = os.path.dirname(os.path.abspath(__file__))
_FOLDERS: Final = (
    os.path.join(_HERE, "..", "page"),  # in an installed package
    os.path.join(_HERE, "..", "..", "..", "web", "dist"),  # in a checkout
)
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
POLICY: Final = (
    "default-src 'none'"
    "; script-src 'self'"
    "; style-src 'self'"  # no inline styles either: web/src/strict.ts says how xterm.js lives
    "; img-src 'self'"
    "; connect-src 'self'"  # the WebSocket of this host is in it (CSP level 3, 6.7.2.8)
    "; base-uri 'none'"
    "; form-action 'none'"
    "; frame-ancestors 'none'"
    "; require-trusted-types-for 'script'"  # no text becomes HTML, whatever the code does
    "; trusted-types 'none'"
)
_NEVER: Final = re.compile(r"q=0(\.0*)?", re.IGNORECASE)
_YEAR: Final = 365 * 24 * 3600


class Page(NamedTuple):
    """One file as it is answered."""

    body: bytes
    headers: tuple[tuple[str, str], ...]


def page_at(path: str, *, packed: bool = False) -> Page | None:
    """Return the file that a request's path names, None when it names none; ``packed`` by gzip."""
    return _packed(path) if packed else _table().get(path)


def takes_gzip(accepted: list[str]) -> bool:
    """Tell whether the values of Accept-Encoding allow gzip (RFC 9110 section 12.5.3)."""
    for each in ",".join(accepted).split(","):
        name, _, weight = each.partition(";")
        if name.strip().lower() == "gzip":
            return not _NEVER.fullmatch(weight.strip())
    return False


@cache
def _packed(path: str) -> Page | None:
    page = _table().get(path)
    if page is None:
        return None
    # Level 3 takes 6 ms, once; 9 would be a tenth smaller and hold everybody up for 24.
    body = gzip.compress(page.body, 3, mtime=0)
    return Page(body, (*page.headers, ("Content-Encoding", "gzip")))


@cache
def _table() -> dict[str, Page]:
    """Return all files by path; ``/`` is ``index.html``. Empty where the page was not built."""
    for folder in _FOLDERS:
        if os.path.exists(os.path.join(folder, "index.html")):
            pages = {
                f"/{name}": _read(folder, name)
                for name in _names(folder)
                if os.path.splitext(name)[1] in _TYPES
            }
            pages["/"] = pages.pop("/index.html")
            return pages
    return {}


def _names(folder: str) -> list[str]:
    return [
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, files in os.walk(folder)
        for name in files
    ]


def _read(folder: str, name: str) -> Page:
    with open(os.path.join(folder, name), "rb") as file:
        body = file.read()
    # A name in assets/ holds a hash of the content: what it names never changes.
    is_hashed = name.startswith("assets" + os.sep)
    caching = f"public, max-age={_YEAR}, immutable" if is_hashed else "no-cache"
    headers = (
        ("Content-Type", _TYPES[os.path.splitext(name)[1]]),
        ("Cache-Control", caching),
        ("Vary", "Accept-Encoding"),
        ("Content-Security-Policy", POLICY),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    )
    return Page(body, headers)
