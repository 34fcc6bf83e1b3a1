"""The box's terminal, opened in the box's own devpts.

``pty_fd`` is the end that the keeper reads ("master"), ``tty_fd`` the program's ("slave").
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from ptylaunch import syscall as sc

if TYPE_CHECKING:
    from ptylaunch.rootfs import Rootfs

_DEVPTS_MAGIC: Final = 0x1CD1  # linux/magic.h
_PTMX_INODE: Final = 2  # fs/devpts/inode.c
_TIOCGPTPEER: Final = 0x5441
_TIOCSPTLCK: Final = 0x40045431
# termios is not loaded for a number that differs on one machine of ours (asm/ioctls.h).
_TIOCSWINSZ: Final = {"ppc64le": 0x80087467}.get(os.uname().machine, 0x5414)

_fstatfs: Final = ctypes.CDLL(None, use_errno=True).fstatfs


class Terminal(NamedTuple):
    """Both ends, close-on-exec."""

    pty_fd: int
    tty_fd: int


def open_terminal(root: Rootfs, rows: int, cols: int, uid: int) -> Terminal:
    """Open a new terminal of ``rows`` and ``cols`` characters that belongs to ``uid`` of the box.

    The ptmx node is checked before and the other end is asked from the kernel, never opened by its
    path: an image could have put anything there (CVE-2025-52565).
    """
    pts_fd = root.open("/dev/pts", strict=True)
    try:
        if _magic(pts_fd) != _DEVPTS_MAGIC:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY), "/dev/pts is no devpts")
        flags = os.O_RDWR | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
        pty_fd = os.open("ptmx", flags, dir_fd=pts_fd)
    finally:
        os.close(pts_fd)
    status = os.fstat(pty_fd)
    if (
        not stat.S_ISCHR(status.st_mode)
        or status.st_ino != _PTMX_INODE
        or status.st_rdev != os.makedev(5, 2)
    ):
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY), "/dev/pts/ptmx")
    fcntl.ioctl(pty_fd, _TIOCSPTLCK, struct.pack("i", 0))
    tty_fd = fcntl.ioctl(pty_fd, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    if rows or cols:
        fcntl.ioctl(tty_fd, _TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
    if uid:
        os.fchown(tty_fd, uid, -1)
    return Terminal(pty_fd, tty_fd)


def bind_console(root: Rootfs, tty_fd: int) -> None:
    """Show the terminal as /dev/console, by fd."""
    target_fd = root.make_file("/dev/console", strict=True)
    tree_fd = -1
    try:
        tree_fd = sc.open_tree(tty_fd, "", recursive=False)
        sc.move_mount(tree_fd, target_fd)
    finally:
        os.close(target_fd)
        if tree_fd >= 0:
            os.close(tree_fd)


def _magic(fd: int) -> int:
    """Return f_type, the first field of struct statfs (os.statvfs leaves it out)."""
    buffer = ctypes.create_string_buffer(256)
    if _fstatfs(fd, buffer) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "/dev/pts")
    return ctypes.c_long.from_buffer(buffer).value
