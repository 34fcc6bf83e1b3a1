"""Who may connect: tokens, and the headers by which a browser betrays a foreign page."""

from __future__ import annotations

import errno
import hashlib
import hmac
import ipaddress
import json
import os
import socket
import struct
import time
from typing import Any

from ptyd.session.people import CONTROL, ROLES, VIEW


def lesser(one: str, other: str) -> str:
    return min(one, other, key=ROLES.index)


class Tokens:
    """The tokens of a container: SHA-256 of each, its role and expiry, in ``tokens.json``.

    The file is the owner's to write (``ptyd share``); it is read again whenever it has changed.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._read: tuple[int, int] | None = None
        self._tokens: list[dict[str, Any]] = []

    def role_of(self, token: str) -> str | None:
        """Return the role that a token gives, None for one that is unknown or expired."""
        return self.role_by(digest_of(token))

    def role_by(self, digest: str) -> str | None:
        """As :meth:`role_of`, by the token's SHA-256 in hex."""
        return _role(self._entry(digest), time.time())

    def session_by(self, digest: str) -> int:
        """Return the one session that a token opens; those of an older ptyd say none: 0."""
        session = self._entry(digest).get("session", 0)
        return session if isinstance(session, int) else -1

    def _entry(self, digest: str) -> dict[str, Any]:
        self._refresh()
        found: dict[str, Any] = {}
        for entry in self._tokens:
            # Every entry is compared, in constant time: how long it takes tells nothing.
            if hmac.compare_digest(str(entry.get("sha256")).encode(), digest.encode()):
                found = entry
        return found

    def _refresh(self) -> None:
        try:
            status = os.stat(self._path)
            changed = (status.st_mtime_ns, status.st_ino)
            if changed == self._read:
                return
            with open(self._path, "rb") as file:
                tokens = json.load(file)["tokens"]
            self._tokens = [entry for entry in tokens if isinstance(entry, dict)]
            self._read = changed
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                return  # what was read before is as good as anything
            self._tokens = []
            self._read = None
        except (ValueError, KeyError, TypeError, RecursionError):
            self._tokens = []  # no file, no token: nobody gets in by damage
            self._read = None


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode("ascii", "replace")).hexdigest()


def _role(entry: dict[str, Any], now: float) -> str | None:
    """Return what a token's entry gives; one that is damaged gives nothing."""
    expiry, role = entry.get("expires"), entry.get("role")
    valid = expiry is None or (isinstance(expiry, int | float) and now < expiry)
    return role if valid and role in (VIEW, CONTROL) else None


def host_is_ours(host: str, names: list[str]) -> bool:
    """Tell whether a Host header names us: an address, localhost, or a name that was given.

    A name that a web page made up (DNS rebinding) is none of these.
    """
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    name = name.strip("[]").lower()
    if name == "localhost" or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def origin_matches(origin: str, host: str) -> bool:
    """Tell whether a page of ``origin`` came from ``host``: else another site is behind it."""
    scheme, separator, authority = origin.partition("://")
    return bool(separator) and scheme in ("http", "https") and authority.lower() == host.lower()


def is_owner(sock: socket.socket, owner: int) -> bool:
    """Tell whether the peer of a unix socket is the owner or root (SO_PEERCRED, unix(7))."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid = struct.unpack("3i", credentials)[1]
    return uid in (owner, 0)
