"""Where a copy comes from and goes to: docker's rules (docker container cp, "Description")."""

from __future__ import annotations

import os
import posixpath
import stat
from typing import Final, NamedTuple, Protocol

from ptycli.copying.fault import bad, failed
from ptylaunch.rootfs import Rootfs

_MOST_LINKS: Final = 10
"""That a destination may lead over, as docker has it."""


class View(Protocol):
    """How paths are opened on one side of a copy."""

    def open(self, path: str, flags: int) -> int: ...


class Host:
    """Paths of whoever runs the command."""

    def open(self, path: str, flags: int) -> int:
        return os.open(path, flags | os.O_CLOEXEC)


class Inside:
    """Paths of the box, from its root on, which no link and no ``..`` leaves (openat2(2))."""

    def __init__(self) -> None:
        self._root = Rootfs(os.open("/", os.O_PATH | os.O_CLOEXEC))

    def open(self, path: str, flags: int) -> int:
        return self._root.open("/" + path, flags=flags)


class Place(NamedTuple):
    """A folder, and what the first part of an archive's names becomes in it: "" is what it is."""

    folder_fd: int
    name: str = ""


def asserts_folder(path: str) -> bool:
    """Tell whether a path can only be that of a folder."""
    return posixpath.basename(path) in ("", ".", "..")


def wants_contents(path: str) -> bool:
    """Tell whether what is in a folder is meant, and not the folder: ``DIR/.``."""
    return path.endswith("/.") or path in (".", "/", "")


def base_of(path: str) -> str:
    """Return what a source is called in its archive."""
    return posixpath.basename(posixpath.normpath("/" + path)) or "."


def find_place(view: View, path: str, *, folder: bool) -> Place:
    """Return where a source is put that is meant for ``path``; ``folder``: it is one.

    LaunchFailed says what docker refuses, too.
    """
    wanted = path
    for _ in range(_MOST_LINKS):
        above, name = posixpath.split(_trimmed(wanted))
        above_fd = _open_folder(view, above or ".", path)
        try:
            kind, target = _look(view, above_fd, wanted, name)
            if kind == stat.S_IFDIR:
                return Place(_open_folder(view, wanted, path))
            if kind != stat.S_IFLNK:
                _check(path, kind, folder=folder, asserted=asserts_folder(wanted))
                found, above_fd = Place(above_fd, name), -1
                return found
        finally:
            if above_fd >= 0:
                os.close(above_fd)
        wanted = target if target.startswith("/") else f"{above or '.'}/{target}"
    raise bad(f"{path}: too many links")


def _check(path: str, kind: int, *, folder: bool, asserted: bool) -> None:
    """Refuse what docker refuses; ``kind`` is 0 for what is not there."""
    if kind and folder:
        raise bad(f"{path}: a folder cannot be copied to a file")
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        raise bad(f"{path} is a device")
    if asserted and not folder:
        raise bad(f"{path}: no such folder")


def _look(view: View, above_fd: int, path: str, name: str) -> tuple[int, str]:
    """Return the type of what is at a path, 0 for nothing, and where it leads if it is a link."""
    if name in ("", ".", "..") or asserts_folder(path):
        try:  # it is a folder, or nothing
            os.close(view.open(path, os.O_PATH | os.O_DIRECTORY))
        except FileNotFoundError:
            return 0, ""
        except OSError as error:
            raise failed(error, path) from None
        return stat.S_IFDIR, ""
    try:
        kind = stat.S_IFMT(os.stat(name, dir_fd=above_fd, follow_symlinks=False).st_mode)
        return kind, os.readlink(name, dir_fd=above_fd) if kind == stat.S_IFLNK else ""
    except FileNotFoundError:
        return 0, ""
    except OSError as error:
        raise failed(error, path) from None


def _open_folder(view: View, path: str, shown: str) -> int:
    try:
        return view.open(path, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        raise failed(error, shown if path == shown else path) from None


def _trimmed(path: str) -> str:
    """Return a path without what only asserts a folder at its end."""
    while (shorter := path.removesuffix("/.").rstrip("/")) != path:
        path = shorter
    return path or "/"
