"""Copies a tree of files by descriptors: no link is followed, devices and sockets are left out."""

from __future__ import annotations

import os
import stat
from typing import Final

_CHUNK: Final = 1 << 24


def copy_tree(from_fd: int, to_fd: int) -> None:
    """Copy what is in one folder into another, with modes, owners and times; OSError.

    Either may be an O_PATH descriptor.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    source = os.open(".", flags, dir_fd=from_fd)
    try:
        target = os.open(".", flags, dir_fd=to_fd)
        try:
            for name in os.listdir(source):
                _copy(name, source, target)
            _copy_status(os.fstat(source), target)
        finally:
            os.close(target)
    finally:
        os.close(source)


def _copy(name: str, source: int, target: int) -> None:
    status = os.stat(name, dir_fd=source, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    elif stat.S_ISDIR(status.st_mode):
        os.mkdir(name, 0o700, dir_fd=target)
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        inner = os.open(name, flags, dir_fd=source)
        try:
            made = os.open(name, flags, dir_fd=target)
            try:
                copy_tree(inner, made)
            finally:
                os.close(made)
        finally:
            os.close(inner)
    elif stat.S_ISREG(status.st_mode):
        _copy_file(name, source, target)


def _copy_file(name: str, source: int, target: int) -> None:
    # It may be another kind of file by now: without O_NONBLOCK a fifo would hold us.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    from_fd = os.open(name, flags, dir_fd=source)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        to_fd = os.open(name, flags, 0o600, dir_fd=target)
        try:
            while os.sendfile(to_fd, from_fd, None, _CHUNK):
                pass
            _copy_status(os.fstat(from_fd), to_fd)
        finally:
            os.close(to_fd)
    finally:
        os.close(from_fd)


def _copy_status(status: os.stat_result, fd: int) -> None:
    try:
        os.fchown(fd, status.st_uid, status.st_gid)
    except OSError:
        pass  # an owner that the box's user namespace does not have: then it is the box's root
    os.fchmod(fd, stat.S_IMODE(status.st_mode))  # after it: chown(2) clears setuid
    os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))
