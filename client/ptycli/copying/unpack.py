"""Unpacks a tar archive into a folder, from a pipe, as it comes.

The archive is hostile where it comes from a box. Names lead nowhere but down from the folder: no
``..``, and (``follow`` is for archives of the user's own, in the box) over no link. Files are
made under names of their own and renamed, so that what is there is never opened or written to.
Devices are never made. A folder that is there stays as it is and gets what is new in it.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ptycli.copying.fault import bad, failed, shown
from ptycli.copying.pack import DEEPEST
from ptycli.copying.place import Place, find_place
from ptycli.entry import BROKEN, nanoseconds_of, parts_of
from ptylaunch import syscall as sc

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from ptycli.copying.place import View

_PIECE: Final = 1 << 18
_ZEROS: Final = bytes(_PIECE)
_TEMPORARY: Final = ".ptyd-cp."
_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Terms(NamedTuple):
    """How to unpack. ``kept``: with the owners that the archive names, else the unpacker's own."""

    kept: bool
    follow: bool
    """Whether a folder of the archive may be a link to one that is there."""
    modes: int
    """Bits of modes that files may have; folders may be sticky, too."""
    whole: bool
    """The archive is what is copied: where it goes depends on what it is; else to a folder."""


def unpack(view: View, path: str, source: IO[bytes], terms: Terms) -> int:
    """Unpack what is meant for ``path``; return the bytes read. LaunchFailed, OSError."""
    try:
        with tarfile.open(
            fileobj=source, mode="r|", bufsize=_PIECE, encoding="utf-8", errors="surrogateescape"
        ) as archive:
            first = archive.next()
            if first is None and terms.whole:
                raise bad("there is nothing to copy")
            place = _place(view, path, first, terms)
            cut = len(parts_of(first.name)) if first is not None else 0
            unpacker = _Unpacker(place, cut, terms)
            try:
                _take_all(unpacker, first, archive)
            finally:
                unpacker.close()
            return archive.offset
    except BROKEN as error:
        raise bad(f"this is no good archive: {error}") from None


def _take_all(unpacker: _Unpacker, first: tarfile.TarInfo | None, archive: tarfile.TarFile) -> None:
    member = first
    while member is not None:
        unpacker.take(member, archive)
        cast("Any", archive).members.clear()  # it would remember each of them
        member = archive.next()
    unpacker.finish()


def _place(view: View, path: str, first: tarfile.TarInfo | None, terms: Terms) -> Place:
    if terms.whole and first is not None:
        return find_place(view, path, folder=first.isdir())
    place = find_place(view, path or "/", folder=True)
    if place.name:
        os.close(place.folder_fd)
        raise bad(f"{path}: no such folder")
    return place


class _Unpacker:
    def __init__(self, place: Place, cut: int, terms: Terms) -> None:
        """``cut`` parts of each name give way to the name of the place, if it has one."""
        self._terms = terms
        self._name = place.name
        self._cut = cut
        self._chain: list[tuple[str, int]] = [("", place.folder_fd)]
        """Open folders, each in the one before it."""
        self._folders: list[tuple[list[str], tarfile.TarInfo]] = []
        """Those that were made: they get mode and time when nothing more is put into them."""

    def close(self) -> None:
        while self._chain:
            os.close(self._chain.pop()[1])

    def take(self, member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
        """Make one entry; LaunchFailed names it."""
        try:
            parts = self._parts(member.name)
            if not parts:
                if not member.isdir():
                    raise bad(f"{shown(member.name)} has no name")
                return  # the folder itself, which is there
            if len(parts) > DEEPEST:
                raise bad(f"its folders are nested more than {DEEPEST} deep")
            if member.ischr() or member.isblk():
                return
            folder_fd = self._folder(parts[:-1])
            self._make(member, folder_fd, parts, archive)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            raise failed(error, member.name) from None

    def _parts(self, name: str) -> list[str]:
        """Return where an entry goes: what is copied has the name that it is to have."""
        parts = parts_of(name)
        return [self._name, *parts[self._cut :]] if self._name else parts

    def _folder(self, parts: list[str]) -> int:
        """Return a descriptor of a folder, made with those above it where it is missing."""
        depth = 0
        for (have, _), want in zip(self._chain[1:], parts, strict=False):
            if have != want:
                break
            depth += 1
        while len(self._chain) > depth + 1:
            os.close(self._chain.pop()[1])
        for name in parts[depth:]:
            self._chain.append((name, self._enter(self._chain[-1][1], name)))
        return self._chain[-1][1]

    def _enter(self, above_fd: int, name: str) -> int:
        resolve = sc.RESOLVE_NO_MAGICLINKS
        if not self._terms.follow:
            resolve |= sc.RESOLVE_NO_SYMLINKS
        try:
            return sc.openat2(above_fd, name, _FOLDER, resolve)
        except FileNotFoundError:
            os.mkdir(name, 0o755, dir_fd=above_fd)
            return sc.openat2(above_fd, name, _FOLDER, resolve | sc.RESOLVE_NO_SYMLINKS)

    def _make(
        self,
        member: tarfile.TarInfo,
        folder_fd: int,
        parts: list[str],
        archive: tarfile.TarFile,
    ) -> None:
        name = parts[-1]
        if member.isdir():
            self._make_folder(folder_fd, parts, member)
            return
        if _is_folder(folder_fd, name):
            raise bad(f"{shown(member.name)}: a folder is there, and this is none")
        if member.isreg():
            _replace(folder_fd, name, lambda new: self._write(member, folder_fd, new, archive))
        elif member.issym():
            target = member.linkname
            _replace(folder_fd, name, lambda new: os.symlink(target, new, dir_fd=folder_fd))
            self._dress(folder_fd, name, member)
        elif member.isfifo():
            mode = member.mode & 0o777
            _replace(folder_fd, name, lambda new: os.mkfifo(new, mode, dir_fd=folder_fd))
            self._dress(folder_fd, name, member)
        elif member.islnk():
            self._link(member, folder_fd, name)
        else:
            raise bad(f"{shown(member.name)} is of type {member.type!r}")

    def _make_folder(self, folder_fd: int, parts: list[str], member: tarfile.TarInfo) -> None:
        try:
            os.mkdir(parts[-1], 0o700, dir_fd=folder_fd)
        except FileExistsError:
            if not _is_folder(folder_fd, parts[-1]):
                line = "a folder is to be there, and something else is"
                raise bad(f"{shown(member.name)}: {line}") from None
            return
        self._folders.append((parts, member))

    def _write(
        self, member: tarfile.TarInfo, folder_fd: int, name: str, archive: tarfile.TarFile
    ) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, 0o600, dir_fd=folder_fd)
        try:
            content = archive.extractfile(member)
            assert content is not None
            _copy(content, fd, member.size)
            if self._terms.kept:
                _give(fd, member)  # first: it takes set-user-id away
            os.fchmod(fd, member.mode & self._terms.modes)
            when = nanoseconds_of(member)
            os.utime(fd, ns=(when, when))
        finally:
            os.close(fd)

    def _link(self, member: tarfile.TarInfo, folder_fd: int, name: str) -> None:
        parts = self._parts(member.linkname)
        if not parts:
            raise bad(f"{shown(member.name)} is a hard link to a folder")
        copy_fd = os.dup(folder_fd)  # looking for the other one may close it
        try:
            above_fd = self._folder(parts[:-1])
            _replace(
                copy_fd,
                name,
                lambda new: os.link(
                    parts[-1],
                    new,
                    src_dir_fd=above_fd,
                    dst_dir_fd=copy_fd,
                    follow_symlinks=False,
                ),
            )
        finally:
            os.close(copy_fd)

    def _dress(self, folder_fd: int, name: str, member: tarfile.TarInfo) -> None:
        """Give a link or a fifo its owner and time, without opening it."""
        if self._terms.kept:
            _give(name, member, dir_fd=folder_fd)
        when = nanoseconds_of(member)
        os.utime(name, ns=(when, when), dir_fd=folder_fd, follow_symlinks=False)

    def finish(self) -> None:
        """Give the folders that were made what they are to have."""
        for parts, member in reversed(self._folders):
            above_fd = self._folder(parts[:-1])
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                fd = os.open(parts[-1], flags, dir_fd=above_fd)
            except OSError:
                continue  # the box has done something else with it
            try:
                if self._terms.kept:
                    _give(fd, member)
                os.fchmod(fd, member.mode & (self._terms.modes | stat.S_ISVTX))
                when = nanoseconds_of(member)
                os.utime(fd, ns=(when, when))
            except OSError as error:
                raise failed(error, member.name) from None
            finally:
                os.close(fd)


def _replace(folder_fd: int, name: str, make: Callable[[str], None]) -> None:
    """Have something made, and put it where the name is: all of it is there, or what was before."""
    new = f"{_TEMPORARY}{os.urandom(6).hex()}"
    try:
        make(new)
        os.rename(new, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
    finally:
        try:  # also of two names of one file, which rename(2) leaves both
            os.unlink(new, dir_fd=folder_fd)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise


def _give(what: int | str, member: tarfile.TarInfo, dir_fd: int | None = None) -> None:
    """Make a descriptor's file, or what has a name, its owner's whom the archive names."""
    try:
        os.chown(what, member.uid, member.gid, dir_fd=dir_fd, follow_symlinks=isinstance(what, int))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        owner = f"{member.uid}:{member.gid}"
        raise bad(
            f"{shown(member.name)}: its owner {owner} is none that the container has"
        ) from None


def _is_folder(folder_fd: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _copy(content: IO[bytes], fd: int, size: int) -> None:
    """Copy a file; pieces without anything but zeros become holes."""
    left = size
    while left:
        data = content.read(min(left, _PIECE))
        if not data:
            raise EOFError("it ends in the middle of a file")
        left -= len(data)
        if data == _ZEROS:
            os.lseek(fd, len(data), os.SEEK_CUR)
            continue
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    os.ftruncate(fd, size)
