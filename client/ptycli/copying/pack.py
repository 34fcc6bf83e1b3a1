"""Packs a file or a folder into a tar archive, written to a pipe while it is read.

Folders are read by descriptor and no link in them is followed. What changes meanwhile, as a hostile
box may have it, is packed as it is found: an entry has the length that its header says. Sockets and
devices are left out, so are the views of the kernel below a folder that is copied.
"""

from __future__ import annotations

import os
import stat
import tarfile
from typing import TYPE_CHECKING, Final, NamedTuple

from ptycli.copying.fault import bad, failed, shown
from ptycli.copying.place import base_of, wants_contents

if TYPE_CHECKING:
    from ptycli.copying.place import View

DEEPEST: Final = 400
"""Folders within folders: each holds a descriptor while what is in it is copied."""
_PIECE: Final = 1 << 18
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_VIEWS: Final = ("/proc", "/sys", "/dev")
_BLOCK: Final = 512


class Report(NamedTuple):
    """What is to be told of a copy, "" for nothing, and whether all is in it that should be."""

    line: str
    whole: bool = True

    @classmethod
    def parse(cls, text: str) -> Report:
        """Return the report that ``str`` made a text of."""
        return cls(text[1:], text[:1] == "+")

    def __str__(self) -> str:
        return f"{'+' if self.whole else '-'}{self.line}"


def pack(view: View, path: str, out_fd: int, *, follow: bool) -> Report:
    """Write what is at a path to ``out_fd``; LaunchFailed."""
    packer = _Packer(out_fd, _views(view))
    wanted = path or "/"
    flags = os.O_PATH | (0 if follow or path.endswith(("/", "/.")) else os.O_NOFOLLOW)
    try:
        fd = view.open(wanted, flags)
        try:
            name = "." if wants_contents(path) else base_of(path)
            packer.add_source(view, fd, wanted, name)
        finally:
            os.close(fd)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise failed(error, path) from None
    packer.finish()
    return packer.report()


def _views(view: View) -> frozenset[tuple[int, int]]:
    """Return which folders are left empty: what is in them is no files."""
    found: set[tuple[int, int]] = set()
    for path in _VIEWS:
        try:
            fd = view.open(path, os.O_PATH | os.O_DIRECTORY)
        except OSError:
            continue
        status = os.fstat(fd)
        os.close(fd)
        found.add((status.st_dev, status.st_ino))
    return frozenset(found)


class _Packer:
    def __init__(self, out_fd: int, views: frozenset[tuple[int, int]]) -> None:
        self._out_fd = out_fd
        self._views = views
        self._links: dict[tuple[int, int], str] = {}
        """Names of what has more of them, for hard links."""
        self._left_out = 0
        self._closed: list[str] = []
        """Names of what we may not read: in a box also what is of none of its ids."""
        self._cut: list[str] = []
        """Names of what became shorter."""
        self._written = 0

    def add_source(self, view: View, fd: int, path: str, name: str) -> None:
        """Add what the O_PATH descriptor ``fd`` stands for, with all in it."""
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            folder_fd = os.open(".", _FOLDER, dir_fd=fd)
            try:
                self._add_folder(folder_fd, name, 0)
            finally:
                os.close(folder_fd)
        elif stat.S_ISREG(status.st_mode):
            # By its path once more: an O_PATH descriptor cannot be read. It may be another by now.
            flags = _READ if not path.endswith("/") else _READ | os.O_DIRECTORY
            self._add_file(view.open(path, flags), name)
        elif stat.S_ISLNK(status.st_mode):
            self._put(_header(status, name, tarfile.SYMTYPE, os.readlink("", dir_fd=fd)))
        elif stat.S_ISFIFO(status.st_mode):
            self._put(_header(status, name, tarfile.FIFOTYPE))
        else:
            raise bad(f"{path} is a device or a socket")

    def _add_folder(self, folder_fd: int, name: str, depth: int) -> None:
        if depth > DEEPEST:
            raise bad(f"{name[:60]}…: its folders are nested more than {DEEPEST} deep")
        self._put(_header(os.fstat(folder_fd), name, tarfile.DIRTYPE))
        for each in sorted(os.listdir(folder_fd)):
            inner = f"{name}/{each}"
            try:
                self._add(folder_fd, each, inner, depth)
            except FileNotFoundError:
                continue  # it has gone since the folder was read
            except PermissionError:
                self._closed.append(inner)
            except OSError as error:
                if isinstance(error, BrokenPipeError):
                    raise
                raise failed(error, inner) from None

    def _add(self, folder_fd: int, each: str, name: str, depth: int) -> None:
        status = os.stat(each, dir_fd=folder_fd, follow_symlinks=False)
        key = (status.st_dev, status.st_ino)
        if stat.S_ISDIR(status.st_mode) and key in self._views:
            self._put(_header(status, name, tarfile.DIRTYPE))
        elif stat.S_ISDIR(status.st_mode):
            fd = os.open(each, _FOLDER, dir_fd=folder_fd)
            try:
                self._add_folder(fd, name, depth + 1)
            finally:
                os.close(fd)
        elif stat.S_ISLNK(status.st_mode):
            target = os.readlink(each, dir_fd=folder_fd)
            self._put(_header(status, name, tarfile.SYMTYPE, target))
        elif stat.S_ISFIFO(status.st_mode):
            self._put(_header(status, name, tarfile.FIFOTYPE))
        elif not stat.S_ISREG(status.st_mode):
            self._left_out += 1
        elif key in self._links:
            self._put(_header(status, name, tarfile.LNKTYPE, self._links[key]))
        else:
            self._add_file(os.open(each, _READ | os.O_NOFOLLOW, dir_fd=folder_fd), name)

    def _add_file(self, fd: int, name: str) -> None:
        """Add an open file, and close it."""
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                self._left_out += 1
                return
            # What fits into one piece is as long as it is read: files of the kernel say no length.
            first = _read(fd, _PIECE)
            size = len(first) if len(first) < _PIECE else max(status.st_size, len(first))
            if status.st_nlink > 1:
                self._links[status.st_dev, status.st_ino] = name
            self._put(_header(status, name, tarfile.REGTYPE, size=size))
            self._write(first)
            left = size - len(first)
            while left and (data := os.read(fd, min(left, _PIECE))):
                self._write(data)
                left -= len(data)
            if left:
                self._cut.append(name)
            while left:
                data = bytes(min(left, _PIECE))
                self._write(data)
                left -= len(data)
            self._write(bytes(-size % _BLOCK))
        finally:
            os.close(fd)

    def _put(self, header: tarfile.TarInfo) -> None:
        self._write(header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))

    def _write(self, data: bytes) -> None:
        self._written += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._out_fd, view) :]

    def finish(self) -> None:
        self._write(bytes(2 * _BLOCK))
        self._write(bytes(-self._written % tarfile.RECORDSIZE))

    def report(self) -> Report:
        lines: list[str] = []
        if self._left_out:
            lines.append(f"{self._left_out} sockets or devices were left out")
        for names, what in ((self._closed, "may not be read"), (self._cut, "became shorter")):
            if names:
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                lines.append(f"{shown(names[0])}{more} {what}")
        return Report("; ".join(lines), not (self._closed or self._cut))


def _read(fd: int, size: int) -> bytes:
    """Return as much as there is, up to a size: files of the kernel come in pages."""
    pieces: list[bytes] = []
    while size and (data := os.read(fd, size)):
        pieces.append(data)
        size -= len(data)
    return b"".join(pieces)


def _header(
    status: os.stat_result, name: str, kind: bytes, target: str = "", *, size: int = 0
) -> tarfile.TarInfo:
    """Return an entry without names of users: to look them up could load what the box says."""
    header = tarfile.TarInfo(name)
    header.mode = stat.S_IMODE(status.st_mode)
    header.uid, header.gid = status.st_uid, status.st_gid
    header.mtime = status.st_mtime
    header.type, header.linkname, header.size = kind, target, size
    return header
