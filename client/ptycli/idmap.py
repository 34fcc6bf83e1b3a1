"""Which ids of the host a box gets: the ranges of its user namespace (user_namespaces(7))."""

from __future__ import annotations

import os
import pwd
from typing import Final, NamedTuple

from ptylaunch.plan import IdRange

SIZE: Final = 65536
"""Ids of a box that has a range: all that 16 bits hold, so that ``nobody`` (65534) exists."""


class IdMaps(NamedTuple):
    """``notice`` is one line for the user when the box has less than a range, else empty."""

    uids: tuple[IdRange, ...]
    gids: tuple[IdRange, ...]
    notice: str = ""
    rooted: bool = False
    """Made by root: files of volumes must be idmapped to be the box's."""

    @property
    def root_uid(self) -> int:
        """The host's uid of the box's root."""
        return self.uids[0].outside

    @property
    def root_gid(self) -> int:
        return self.gids[0].outside


def rooted(base: int) -> IdMaps:
    """Map 65536 ids from ``base`` on, which root may do without being asked."""
    ranges = (IdRange(0, base, SIZE),)
    return IdMaps(ranges, ranges, rooted=True)


def rootless() -> IdMaps:
    """Map our own id to root and what /etc/subuid and /etc/subgid give us to the others."""
    import shutil  # with three compression libraries, which root does not need

    uid, gid = os.getuid(), os.getgid()
    single = IdMaps((IdRange(0, uid, 1),), (IdRange(0, gid, 1),))
    for tool in ("newuidmap", "newgidmap"):
        if shutil.which(tool) is None:
            return single._replace(
                notice=f"only root exists inside: {tool} is not installed (package uidmap)"
            )
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    uids = _read_subids("/etc/subuid", name, uid)
    gids = _read_subids("/etc/subgid", name, uid)
    if not uids or not gids:
        missing = "/etc/subgid" if uids else "/etc/subuid"
        return single._replace(notice=f"only root exists inside: {missing} has no range for {name}")
    return IdMaps(_stack(uid, uids), _stack(gid, gids))


def parse_subids(text: str, name: str, uid: int) -> list[tuple[int, int]]:
    """Return (start, count) of the lines for a user, by name or number; bad lines do not count."""
    ranges: list[tuple[int, int]] = []
    for line in text.splitlines():
        owner, _, rest = line.strip().partition(":")
        start, _, count = rest.partition(":")
        if owner not in (name, str(uid)) or not (_is_number(start) and _is_number(count)):
            continue
        if int(count) > 0:
            ranges.append((int(start), int(count)))
    return ranges


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 11


def _read_subids(path: str, name: str, uid: int) -> list[tuple[int, int]]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return parse_subids(file.read(), name, uid)
    except OSError:
        return []


def _stack(own: int, ranges: list[tuple[int, int]]) -> tuple[IdRange, ...]:
    """Lay the ranges one after another behind id 0, until the box has 65536 or they end."""
    stacked = [IdRange(0, own, 1)]
    inside = 1
    for start, count in ranges:
        size = min(count, SIZE - inside)
        if size > 0:
            stacked.append(IdRange(inside, start, size))
            inside += size
    return tuple(stacked)


def delegated_ranges() -> list[tuple[int, int]]:
    """Return the ranges that /etc/subuid and /etc/subgid give to users: never ours."""
    ranges: list[tuple[int, int]] = []
    for path in ("/etc/subuid", "/etc/subgid"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        for owner in {line.partition(":")[0].strip() for line in text.splitlines()}:
            ranges += parse_subids(text, owner, -1)
    return ranges
