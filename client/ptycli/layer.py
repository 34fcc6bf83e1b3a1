"""What a box has changed on its root: an upper layer (overlayfs.rst) held against what is below.

The upper layer is the box's, and hostile: it is read by descriptor, no link in it is followed.
Where there is none, as on the writable skeleton of ``--writable``, a note says what was there.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final, NamedTuple

from ptycli.copying.pack import DEEPEST

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDED: Final = "A"
CHANGED: Final = "C"
DELETED: Final = "D"
NOTE: Final = "skeleton.json"
"""In a bundle: what was in its rootfs before the box first ran."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPAQUE: Final = "user.overlay.opaque"


class Change(NamedTuple):
    """Docker's: what happened to a path."""

    kind: str
    path: str


class Terms(NamedTuple):
    """How a layer is read. ``places`` are where something is mounted: they are nobody's change.

    Owners in the layer are ``uids`` and ``gids`` higher than what is below says of the same ones:
    that is mapped for each box.
    """

    places: frozenset[str]
    uids: int = 0
    gids: int = 0

    def same(self, before: os.stat_result, now: os.stat_result) -> bool:
        """Tell whether a folder has the mode and the owners that it had."""
        owners = (now.st_uid - self.uids, now.st_gid - self.gids)
        return (before.st_mode, before.st_uid, before.st_gid) == (now.st_mode, *owners)


def changes_of_layer(upper: str, lower: str, target: str, terms: Terms) -> list[Change]:
    """Return what the layer at ``upper``, mounted at ``target``, changes; OSError."""
    upper_fd, lower_fd = os.open(upper, _FOLDER), os.open(lower, _FOLDER)
    try:
        return list(_compare(upper_fd, lower_fd, target.rstrip("/"), terms, 0))
    finally:
        os.close(upper_fd)
        os.close(lower_fd)


def changes_of_folder(
    folder: str, before: dict[str, list[int]], passed_over: frozenset[str]
) -> list[Change]:
    """Return what is different from a :func:`listing`; nothing at or below some paths counts."""
    now = listing(folder, passed_over)
    changes = [Change(ADDED, path) for path in now.keys() - before.keys()]
    changes += [
        Change(CHANGED, path) for path in now.keys() & before.keys() if now[path] != before[path]
    ]
    gone = {path for path in before.keys() - now.keys() if path not in passed_over}
    changes += [Change(DELETED, path) for path in gone if os.path.dirname(path) not in gone]
    found = {change.path for change in changes}
    above = {parent for path in found for parent in _parents(path)} - found
    return [*changes, *(Change(CHANGED, path) for path in above)]


def listing(folder: str, passed_over: frozenset[str] = frozenset()) -> dict[str, list[int]]:
    """Return mode, bytes and time of change of all in a folder, by their paths in it; OSError."""
    found: dict[str, list[int]] = {}
    for above, folders, files, fd in os.fwalk(folder):
        base = above[len(folder) :]
        folders[:] = [name for name in folders if f"{base}/{name}" not in passed_over]
        if base.count("/") > DEEPEST:
            raise _too_deep(base)
        for name in (*folders, *files):
            if f"{base}/{name}" in passed_over:
                continue
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            mine = not stat.S_ISDIR(status.st_mode)  # what is in a folder tells of itself
            times = [status.st_size, status.st_mtime_ns] if mine else [0, 0]
            found[f"{base}/{name}"] = [status.st_mode, *times]
    return found


def _compare(
    upper_fd: int, lower_fd: int | None, path: str, terms: Terms, depth: int
) -> Iterator[Change]:
    """Give the changes in one folder; ``lower_fd`` is None where there was none."""
    if depth > DEEPEST:
        raise _too_deep(path)
    names = sorted(os.listdir(upper_fd))
    for name in names:
        status = os.stat(name, dir_fd=upper_fd, follow_symlinks=False)
        was = _look(lower_fd, name)
        inner = f"{path}/{name}"
        if was is None and inner in terms.places:
            continue
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            if was is not None:
                yield Change(DELETED, inner)
        elif not stat.S_ISDIR(status.st_mode):
            yield Change(ADDED if was is None else CHANGED, inner)
        else:
            yield from _folder(upper_fd, lower_fd, inner, terms, depth)
    if lower_fd is not None and _is_opaque(upper_fd):
        yield from (Change(DELETED, f"{path}/{each}") for each in os.listdir(lower_fd)
                    if each not in names)  # fmt: skip


def _folder(
    upper_fd: int, lower_fd: int | None, path: str, terms: Terms, depth: int
) -> Iterator[Change]:
    """Give the changes of a folder and in it. One that is only there for what is in it is none."""
    name = os.path.basename(path)
    was = _look(lower_fd, name)
    fd = os.open(name, _FOLDER, dir_fd=upper_fd)
    below_fd: int | None = None
    try:
        if was is not None and stat.S_ISDIR(was.st_mode) and lower_fd is not None:
            below_fd = os.open(name, _FOLDER, dir_fd=lower_fd)
        inner = list(_compare(fd, below_fd, path, terms, depth + 1))
        if was is None:
            yield Change(ADDED, path)
        elif inner or not terms.same(was, os.fstat(fd)):
            yield Change(CHANGED, path)
        yield from inner
    finally:
        os.close(fd)
        if below_fd is not None:
            os.close(below_fd)


def _look(folder_fd: int | None, name: str) -> os.stat_result | None:
    if folder_fd is None:
        return None
    try:
        return os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_opaque(fd: int) -> bool:
    try:
        return os.getxattr(fd, _OPAQUE) == b"y"
    except OSError:
        return False


def _parents(path: str) -> Iterator[str]:
    while (path := os.path.dirname(path)) not in ("", "/"):
        yield path


def _too_deep(path: str) -> OSError:
    return OSError(errno.ELOOP, f"folders are nested more than {DEEPEST} deep", path[:60] + "…")
