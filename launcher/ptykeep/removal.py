"""Removes a tree of files that somebody else has made, however deep it is.

A box nests its folders as deep as it likes, and whoever goes down there needs a descriptor and a
call of a function for each: shutil.rmtree and os.fwalk end with RecursionError or EMFILE. Here
what is below a folder is moved up to the top before the folder goes, so two descriptors will do.
Nothing of shutil, which takes three compression libraries along, for a keeper's last act.
"""

from __future__ import annotations

import errno
import os
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOVED: Final = ".removed-"
_TAKEN: Final = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def remove_tree(path: str) -> None:
    """Remove a folder and what is in it as far as that is possible; no link is followed."""
    try:
        top_fd = os.open(path, _FOLDER)
    except OSError:
        return  # it is not there, or is none
    try:
        _empty(top_fd)
        os.rmdir(path)
    except OSError:
        return  # not empty, then, or not ours
    finally:
        os.close(top_fd)


def _empty(top_fd: int) -> None:
    kept: set[str] = set()
    moved = 0
    while names := set(os.listdir(top_fd)) - kept:
        for name in names:
            if _unlink(name, top_fd) or _rmdir(name, top_fd):
                continue
            try:
                folder_fd = os.open(name, _FOLDER, dir_fd=top_fd)
            except OSError:
                kept.add(name)
                continue
            try:
                moved = _flatten(folder_fd, top_fd, moved)
            finally:
                os.close(folder_fd)
            if not _rmdir(name, top_fd):
                kept.add(name)


def _flatten(folder_fd: int, top_fd: int, moved: int) -> int:
    """Remove what is in a folder, and move folders with something in them to the top.

    ``moved`` counts those, for their names; return what it is now.
    """
    for name in os.listdir(folder_fd):
        if _unlink(name, folder_fd) or _rmdir(name, folder_fd):
            continue
        while True:
            moved += 1
            try:
                os.rename(name, f"{_MOVED}{moved}", src_dir_fd=folder_fd, dst_dir_fd=top_fd)
            except OSError as error:
                if error.errno in _TAKEN:
                    continue  # of somebody who was killed over it
            break  # moved, or not ours to move
    return moved


def _unlink(name: str, folder_fd: int) -> bool:
    """Remove what is no folder; tell whether it was none and is gone."""
    try:
        os.unlink(name, dir_fd=folder_fd)
    except OSError:
        return False
    return True


def _rmdir(name: str, folder_fd: int) -> bool:
    try:
        os.rmdir(name, dir_fd=folder_fd)
    except OSError:
        return False
    return True
