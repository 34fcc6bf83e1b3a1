"""Links: ``http[s]://host:port/[prefix/]#t=TOKEN[&s=N][&fp=SHA256]``.

The secret parts live in the fragment, which no HTTP client sends to a server (RFC 3986 section
3.5). ``fp`` is the SHA-256 of the server's certificate (DER), in hex, to be pinned.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# Host and path go into an HTTP request, so only RFC 3986's characters pass: no space, CR or LF.
_LINK: Final = re.compile(
    r"(?P<scheme>https?)://(?:\[(?P<ipv6>[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\]|(?P<name>[A-Za-z0-9._~-]+))"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:#(?P<fragment>.*))?"
)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,256}")
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


class Link(NamedTuple):
    """Where a session is served and what opens it."""

    host: str
    port: int
    token: str = ""
    session: int = 0
    fingerprint: str = ""
    tls: bool = False
    prefix: str = "/"

    @property
    def authority(self) -> str:
        """``host:port`` with brackets around an IPv6 address (RFC 3986 section 3.2)."""
        return format_authority(self.host, self.port)


def format_authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def format_link(link: Link) -> str:
    fragment = "&".join(
        f"{key}={value}"
        for key, value in (
            ("t", link.token),
            ("s", link.session or ""),
            ("fp", link.fingerprint),
        )
        if value
    )
    scheme = "https" if link.tls else "http"
    return f"{scheme}://{link.authority}{link.prefix}" + (f"#{fragment}" if fragment else "")


def parse_link(text: str) -> Link:
    """Return the parts of a link; raise ValueError with a line for the user."""
    match = _LINK.fullmatch(text)
    if match is None:
        raise ValueError("not a link: it looks like http://host:port/#t=TOKEN")
    tls = match["scheme"] == "https"
    port = int(match["port"] or (443 if tls else 80))
    if not 0 < port < 1 << 16:
        raise ValueError(f"port {port} is not between 1 and 65535")
    fields: dict[str, str] = {}
    for part in (match["fragment"] or "").split("&"):
        key, _, value = part.partition("=")
        fields[key] = value
    token, fingerprint = fields.get("t", ""), fields.get("fp", "").lower()
    if token and not _TOKEN.fullmatch(token):
        raise ValueError("the token in the link is damaged: copy the whole link")
    if fingerprint and not _FINGERPRINT.fullmatch(fingerprint):
        raise ValueError("the fingerprint in the link is damaged: copy the whole link")
    session = fields.get("s", "0")
    if not (session.isascii() and session.isdecimal() and len(session) < 10):
        raise ValueError(f"the session in the link is not a number: {session!r}")
    path = match["path"] or "/"
    prefix = path if path.endswith("/") else path + "/"
    host = match["ipv6"] or match["name"]
    return Link(host, port, token, int(session), fingerprint, tls, prefix)
