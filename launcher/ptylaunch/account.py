"""Users and groups of a box, by its own /etc/passwd and /etc/group.

The files are read, never asked for by nss: that would load a library of the box (CVE-2019-14271).
They are the box's to write, so nothing in them is believed but for who is who inside.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final, NamedTuple

from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ptylaunch.rootfs import Rootfs

_LONGEST: Final = 255
"""Characters of a name."""
_WITHOUT_MARKS: Final = dict.fromkeys(map(ord, "_.-"))
_HIGHEST: Final = (1 << 32) - 2
"""The one above is -1, which setresuid(2) takes for "leave it as it is"."""
_LARGEST: Final = 1 << 20
"""Bytes of a file that are read."""


class Account(NamedTuple):
    """Who a program is to be, by number; ``home`` is "/" when nothing says where it is."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


class Wanted(NamedTuple):
    """The two halves of ``USER[:GROUP]``, each a name or a number; no group is None."""

    user: str | int
    group: str | int | None


def parse_user(text: str) -> Wanted:
    """Read ``USER[:GROUP]``; ValueError with a line when it is anything else."""
    user, colon, group = text.partition(":")
    return Wanted(_half(user, text), _half(group, text) if colon else None)


def resolve(root: Rootfs, wanted: Wanted) -> Account:
    """Look both up as docker does; LaunchFailed("user", …) for a name that the box does not have.

    A number need not be there. Without a group it is the user's own and those it is a member of;
    with one it is that alone.
    """
    name, uid, gid, home = _find_user(root, wanted.user)
    if wanted.group is not None:
        return Account(uid, _find_group(root, wanted.group), (), home)
    groups = [
        number
        for entry in _entries(root, "/etc/group", 4)
        if name and name in entry[3].split(",") and (number := _number(entry[2])) is not None
    ]
    return Account(uid, gid, tuple(dict.fromkeys(groups)), home)


def _find_user(root: Rootfs, wanted: str | int) -> tuple[str, int, int, str]:
    for entry in _entries(root, "/etc/passwd", 7):
        uid, gid = _number(entry[2]), _number(entry[3])
        if uid is None or gid is None:
            continue
        if wanted in (entry[0], uid):
            return entry[0], uid, gid, entry[5] if entry[5].startswith("/") else "/"
    if isinstance(wanted, int):
        return "", wanted, 0, "/"
    raise LaunchFailed("user", errno.ENOENT, f"{wanted} is not in /etc/passwd of the box")


def _find_group(root: Rootfs, wanted: str | int) -> int:
    if isinstance(wanted, int):
        return wanted
    for entry in _entries(root, "/etc/group", 4):
        number = _number(entry[2])
        if entry[0] == wanted and number is not None:
            return number
    raise LaunchFailed("user", errno.ENOENT, f"{wanted} is not in /etc/group of the box")


def _entries(root: Rootfs, path: str, fields: int) -> Iterator[list[str]]:
    for line in _read(root, path).splitlines():
        entry = line.decode("utf-8", "surrogateescape").split(":")
        if len(entry) == fields:
            yield entry


def _read(root: Rootfs, path: str) -> bytes:
    """Return a regular file of the box; a fifo or a device there must not stop or surprise us."""
    try:
        fd = root.open(path, flags=os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return b""
        data = b""
        while len(data) < _LARGEST and (chunk := os.read(fd, _LARGEST - len(data))):
            data += chunk
        return data
    finally:
        os.close(fd)


def _half(text: str, whole: str) -> str | int:
    number = _number(text)
    if number is not None:
        return number
    if not _is_name(text):
        raise ValueError(f"user {whole!r}: it looks like USER or USER:GROUP, names or numbers")
    return text


def _is_name(text: str) -> bool:
    """Letters, digits and ``_.-`` of ASCII; a dollar sign may end it.

    No digit first: what is nearly a number must not become somebody.
    """
    name = text.removesuffix("$")
    inner = name.translate(_WITHOUT_MARKS)
    return (
        name.isascii()
        and 0 < len(name) <= _LONGEST
        and not name[0].isdecimal()
        and name[0] != "-"
        and (inner.isalnum() or not inner)
    )


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        return None
    return int(text) if int(text) <= _HIGHEST else None
