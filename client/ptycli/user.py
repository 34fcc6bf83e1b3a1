"""Who the program is: ``--user`` and ``--group-add``, looked up in the box's own files."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ptylaunch.plan import host_id
from ptylaunch.rootfs import Rootfs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ptycli.idmap import IdMaps

_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}\$?")
_HIGHEST: Final = (1 << 32) - 2
"""The last id; one more is (uid_t)-1, which stands for "leave it" in setresuid(2)."""

_FILE_LIMIT: Final = 1 << 20
"""Bytes of the box's passwd and group that are read: an image may hold anything."""


class User(NamedTuple):
    """Ids inside the box; ``home`` is None where the box's passwd does not say."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str | None = None


class _Entry(NamedTuple):
    """A line of passwd(5): a user, or of group(5): a group with its members' names."""

    name: str
    number: int
    fields: list[str]


def find_user(rootfs: str, user: str | None, groups: Sequence[str], maps: IdMaps) -> User:
    """Return who ``USER[:GROUP]`` is in the box at ``rootfs``; ValueError with a line for the user.

    Both may be a name or a number. As with docker a user without ``:GROUP`` gets the groups that
    the box's files give it, and the group 0 where they do not know it.
    """
    if user is None and not groups:
        return User()
    known_users, known_groups = _read(rootfs, "passwd"), _read(rootfs, "group")
    name, colon, group = ("0" if user is None else user).partition(":")
    for text in (name, *([group] if colon else ())):
        if not (_NUMBER.fullmatch(text) or _NAME.fullmatch(text)):
            raise ValueError(f"--user {user}: it looks like UID, UID:GID, NAME or NAME:GROUP")
    entry = _find(known_users, name)
    if entry is None and not _NUMBER.fullmatch(name):
        raise ValueError(f"--user {user}: the box has no user {name}")
    uid = int(name) if entry is None else entry.number
    more: list[int] = []
    if colon:
        gid = _group(known_groups, group, f"--user {user}")
    else:
        gid = _primary_group(entry)
        if entry is not None:
            more = [each.number for each in known_groups if _is_member(entry.name, each)]
    more += [_group(known_groups, text, f"--group-add {text}") for text in groups]
    _check(maps, uid, (gid, *more))
    home = entry.fields[5] if entry and len(entry.fields) > 5 else ""
    return User(
        uid, gid, tuple(dict.fromkeys(more)), home if home.startswith("/") and uid else None
    )


def _read(rootfs: str, name: str) -> list[_Entry]:
    """Read /etc/``name`` of the box; where a link of an image leads to is found inside it."""
    root = Rootfs(os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        path_fd = root.open(f"/etc/{name}")
        try:  # O_PATH first: opening a fifo or a device of the image would wait, or do something
            if not os.path.isfile(place := f"/proc/self/fd/{path_fd}"):
                return []
            with open(place, "rb") as file:
                text = file.read(_FILE_LIMIT).decode("utf-8", "replace")
        finally:
            os.close(path_fd)
    except OSError:
        return []
    finally:
        os.close(root.fd)
    entries: list[_Entry] = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and _NUMBER.fullmatch(fields[2]):
            entries.append(_Entry(fields[0], int(fields[2]), fields))
    return entries


def _find(entries: list[_Entry], text: str) -> _Entry | None:
    """Find by name first; a number may be the name of a user as well (docker, too)."""
    for entry in entries:
        if entry.name == text:
            return entry
    for entry in entries:
        if _NUMBER.fullmatch(text) and entry.number == int(text):
            return entry
    return None


def _group(entries: list[_Entry], text: str, option: str) -> int:
    entry = _find(entries, text)
    if entry is not None:
        return entry.number
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{option}: the box has no group {text}")
    return int(text)


def _primary_group(entry: _Entry | None) -> int:
    if entry is None or not _NUMBER.fullmatch(entry.fields[3]):
        return 0
    return int(entry.fields[3])


def _is_member(name: str, group: _Entry) -> bool:
    return name in group.fields[3].split(",")


def _check(maps: IdMaps, uid: int, gids: Sequence[int]) -> None:
    for number, ranges in ((uid, maps.uids), *((gid, maps.gids) for gid in gids)):
        if number > _HIGHEST or host_id(number, ranges) is None:
            raise ValueError(f"the id {number} does not exist inside{_because(maps)}")


def _because(maps: IdMaps) -> str:
    return f" ({maps.notice})" if maps.notice else ""
