"""Where this host mounts its cgroup hierarchies, and where in them we are: v1, v2 or a hybrid.

A v1 hierarchy serves the controllers it was mounted with; the one v2 hierarchy those that its
``cgroup.controllers`` names. cgroups(7), proc(5), systemd's "hybrid" layout.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

_USUAL: Final = "/sys/fs/cgroup"
_FLAGS: Final = frozenset({"rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode"})
"""Superblock options of a v1 mount that are no controller."""


class Hierarchy(NamedTuple):
    """One mounted hierarchy."""

    version: int
    controllers: tuple[str, ...]
    """v1's; those of v2 differ from cgroup to cgroup."""
    folder: str
    """Where it is mounted."""
    own: str
    """The folder of the cgroup we are in, empty when it lies outside of what is mounted."""


def find_hierarchies() -> tuple[Hierarchy, ...]:
    """Return what this process sees; nothing when no cgroup file system is mounted."""
    return parse_hierarchies(read_text("/proc/self/mountinfo"), read_text("/proc/self/cgroup"))


def parse_hierarchies(mountinfo: str, membership: str) -> tuple[Hierarchy, ...]:
    """Make sense of ``/proc/self/mountinfo`` and ``/proc/self/cgroup``; lines it cannot are none's.

    A hierarchy that is mounted twice counts once: below /sys/fs/cgroup if it is there.
    """
    members = _parse_membership(membership)
    found: dict[frozenset[str], Hierarchy] = {}
    for line in mountinfo.splitlines():
        mount, _, kind = line.partition(" - ")
        if not kind.startswith("cgroup"):
            continue  # there can be very many
        fields, kind_fields = mount.split(" "), kind.split(" ")
        if len(fields) < 6 or len(kind_fields) < 3 or kind_fields[0] not in ("cgroup", "cgroup2"):
            continue
        names = frozenset[str]()
        if kind_fields[0] == "cgroup":
            options = kind_fields[2].split(",")
            names = frozenset(o for o in options if not o.startswith("release_agent=")) - _FLAGS
        controllers = tuple(sorted(name for name in names if "=" not in name))
        if names and not controllers:
            continue  # a named hierarchy (name=systemd) limits nothing
        root, folder = _unescape(fields[3]), _unescape(fields[4])
        known = found.get(names)
        if known is None or (folder.startswith(_USUAL) > known.folder.startswith(_USUAL)):
            own = _below(root, members.get(names, ""), folder)
            found[names] = Hierarchy(1 if names else 2, controllers, folder, own)
    return tuple(found.values())


def _parse_membership(text: str) -> dict[frozenset[str], str]:
    members: dict[frozenset[str], str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        names, colon, path = rest.partition(":")
        if colon:
            members[frozenset(names.split(",")) if names else frozenset()] = path
    return members


def _below(root: str, path: str, folder: str) -> str:
    """Return the folder of the cgroup ``path``, where ``root`` is what ``folder`` shows."""
    if path.startswith("/..") or not path.startswith("/"):
        return ""  # above the root of our cgroup namespace (cgroup_namespaces(7))
    if root in ("/", path) or path.startswith(root + "/"):
        inside = path if root == "/" else path[len(root) :]
        return (folder + inside).rstrip("/")
    return ""


def _unescape(text: str) -> str:
    """Undo the octal escapes of proc(5): space, tab, newline and backslash."""
    head, *parts = text.split("\\")
    return head + "".join(map(_after_backslash, parts))


def _after_backslash(text: str) -> str:
    digits = text[:3]
    if len(digits) < 3 or digits.strip("01234567"):
        return "\\" + text
    return chr(int(digits, 8)) + text[3:]


def read_text(path: str) -> str:
    """Return what a file of the kernel says."""
    with open(path, "rb", buffering=0) as file:
        return file.readall().decode("utf-8", "surrogateescape")


def read_or(path: str, default: str = "") -> str:
    """Return what a file says, ``default`` when it is not there (any more) or not ours to read."""
    try:
        return read_text(path).strip()
    except OSError:
        return default


def write_text(path: str, value: str) -> None:
    """Give a file of the kernel its value, in the one write that it wants; never make a file."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def fields_of(text: str) -> dict[str, int]:
    """Read the ``key value`` lines of files such as cpu.stat; other lines do not count."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
