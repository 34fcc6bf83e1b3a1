"""Overlays: a folder of the host that a box writes on without changing it (overlayfs.rst).

An overlay is mounted by pid 1 as the box's root, in the box's namespaces: whatever a layer holds,
the kernel follows it with the box's rights and no more. So it takes ``userxattr``, and whoever
makes the layers sees to it that the box's root owns the upper one. Layers come as detached mounts
(ptylaunch.source) and are attached for a moment, out of sight, since before Linux 6.15 the kernel
takes layers only from mounts in the caller's own namespace. Idmapped ones want Linux 5.19.
"""

from __future__ import annotations

import errno
import os
import posixpath
from typing import TYPE_CHECKING, Final

from ptylaunch import syscall as sc
from ptylaunch.errors import LaunchFailed
from ptylaunch.fsmount import new_mount
from ptylaunch.plan import Layers, Mount, Plan
from ptylaunch.value import bad

if TYPE_CHECKING:
    from ptylaunch.source import Sources

KIND: Final = "overlay"
_LONGEST: Final = 255
"""Bytes of one value in fsconfig(2), and so of the list of lower layers as we write it."""


def read_layers(data: str, bundle: str, where: str) -> tuple[Layers, str]:
    """Return the folders that the options name, absolute, and the options that are left.

    A backslash takes a comma or a colon its meaning, as in overlayfs.rst.
    """
    found: dict[str, str] = {}
    left: list[str] = []
    for word in _split(data, ","):
        key, _, value = word.partition("=")
        if key in ("lowerdir", "upperdir", "workdir"):
            found[key] = value
        else:
            left.append(word)
    lower = [_path(bundle, part) for part in _split(found.get("lowerdir", ""), ":")]
    upper, work = found.get("upperdir", ""), found.get("workdir", "")
    if not lower:
        raise bad(f"{where}: an overlay wants lowerdir")
    if bool(upper) != bool(work):
        raise bad(f"{where}: upperdir and workdir go together")
    upper, work = (_path(bundle, path) if path else "" for path in (upper, work))
    if posixpath.dirname(upper) != posixpath.dirname(work):
        raise bad(f"{where}: upperdir and workdir must lie in the same folder")
    return Layers(tuple(lower), upper, work), ",".join(left)


def escape(path: str) -> str:
    """Return a path as it stands in ``lowerdir``, ``upperdir`` and ``workdir``."""
    return "".join("\\" + each if each in "\\,:" else each for each in path)


def _split(text: str, separator: str) -> list[str]:
    """Return what is between the separators, unless it is nothing; escapes stay as they are."""
    parts = [""]
    letters = iter(text)
    for each in letters:
        if each == separator:
            parts.append("")
        else:
            parts[-1] += each if each != "\\" else each + next(letters, "")
    return list(filter(None, parts))


def _path(bundle: str, escaped: str) -> str:
    letters = iter(escaped)
    path = "".join(next(letters, "") if each == "\\" else each for each in letters)
    return posixpath.normpath(posixpath.join(bundle, path))


def mount_overlays(plan: Plan, sources: Sources, place_fd: int) -> dict[int, int]:
    """Return every overlay of the plan as a detached mount, by the index of its mount.

    ``place_fd`` is where the layers are attached meanwhile, and nothing is afterwards.
    """
    if not sources.layers:
        return {}
    scratch_fd = new_mount("tmpfs", {"size": "64k", "mode": "700"}, 0)
    made: dict[int, int] = {}
    try:
        sc.move_mount(scratch_fd, place_fd)
        os.fchdir(scratch_fd)  # from here on layers have short names, and a list of them fits
        for index, trees in sources.layers.items():
            mount = plan.mounts[index]
            try:
                made[index] = _mount(mount, trees, f"{index}")
            except OSError as error:
                assert mount.layers is not None
                places = [*mount.layers.lower, *filter(None, [mount.layers.upper])]
                detail = f"{error.filename or KIND} ({', '.join(places)})"
                raise LaunchFailed(
                    f"mount {mount.target}", error.errno or errno.EIO, detail
                ) from error
        sc.unmount(".", sc.MNT_DETACH)
        os.chdir("/")
    finally:
        os.close(scratch_fd)
    return made


def _mount(mount: Mount, trees: tuple[int, ...], name: str) -> int:
    assert mount.layers is not None
    places: list[str] = []
    for number, tree_fd in enumerate(trees):
        place = f"{name}.{number}"
        os.mkdir(place, 0o700)
        place_fd = os.open(place, os.O_PATH | os.O_CLOEXEC)
        try:
            sc.move_mount(tree_fd, place_fd)
        finally:
            os.close(place_fd)
        places.append(place)
    options: dict[str, str | None] = {}
    if mount.layers.upper:
        above = places.pop()
        options["upperdir"] = f"{above}/{posixpath.basename(mount.layers.upper)}"
        options["workdir"] = f"{above}/{posixpath.basename(mount.layers.work)}"
    lower = options["lowerdir"] = ":".join(places)
    if len(lower) > _LONGEST:
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG), f"{len(places)} layers")
    for word in _split(mount.data, ","):
        key, equals, value = word.partition("=")
        options[key] = value if equals else None
    return new_mount(KIND, options, mount.attrs)
