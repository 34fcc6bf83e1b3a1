"""Applies layers to a tree, one after another (image-spec, layer.md). Runs in a child of its own.

The archives are hostile. Python's tarfile only parses them; files are made here, by name in the
descriptor of their folder, which the kernel finds with every link kept inside the tree
(RESOLVE_IN_ROOT), and the tree is the child's root by then (chroot(2)). What exists is never
opened or written to, but replaced.

- Names with ``..`` are refused, absolute ones begin at the tree's root, as with docker.
- Whiteouts and opaque folders hide what earlier layers had, never what their own layer brings,
  wherever in it they stand.
- Devices are passed over: a box has its own /dev, and can use no others.
- Of extended attributes ``user.*`` and ``security.capability`` are kept; never ``user.overlay.*``,
  which the overlay above the tree would obey.
- An owner that boxes do not have becomes nobody, and the file is not set-user-id any more.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ptycli.entry import BROKEN, nanoseconds_of, parts_of
from ptycli.image.fault import bad
from ptylaunch.plan import IdRange, host_id
from ptylaunch.rootfs import Rootfs

if TYPE_CHECKING:
    from ptycli.image.content import Budget, Content

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_MOST_GLOBAL: Final = 64
_LONGEST_SHOWN: Final = 100
_DEEPEST: Final = 200
"""Folders within folders: removing them goes down with a descriptor for each."""
_NOBODY: Final = 65534
_XATTR: Final = "SCHILY.xattr."
_CAPABILITY: Final = "security.capability"
_PIECE: Final = 1 << 18
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Owners(NamedTuple):
    """The ids of the boxes that will have the tree."""

    uids: tuple[IdRange, ...]
    gids: tuple[IdRange, ...]

    def choose(self, uid: int, gid: int) -> tuple[int, int, bool]:
        """Return who owns a file, and whether that is who was to own it."""
        found = (_inside(uid, self.uids), _inside(gid, self.gids))
        return *found, found == (uid, gid)


def _inside(number: int, ranges: tuple[IdRange, ...]) -> int:
    for each in (number, _NOBODY):
        if host_id(each, ranges) is not None:
            return each
    return 0


class Applier:
    """A tree, and what its newest layer has made of it."""

    def __init__(self, tree_fd: int, owners: Owners, budget: Budget) -> None:
        self._root = Rootfs(tree_fd)
        self._owners = owners
        self._budget = budget
        self._depths = {os.fstat(tree_fd).st_ino: 0}
        self._made: set[tuple[int, str]] = set()
        """What the layer brought: the inode of its folder, and its name."""
        self._times: list[tuple[str, int]] = []
        """Paths of folders, and nanoseconds: what is made in them would change them."""

    def apply(self, content: Content) -> None:
        """Apply one layer; LaunchFailed("image", …) when it is no good, OSError as the disk has it.

        The tree is then to be thrown away.
        """
        self._made.clear()
        self._times.clear()
        try:
            self._read(content)
            content.finish()
        except BROKEN as error:
            content.prove_blob()  # if that is what is wrong, it says more
            raise bad(f"a layer is no good archive: {error}") from None
        for path, when in reversed(self._times):
            self._set_time(path, when)

    def _read(self, content: Content) -> None:
        archive = tarfile.TarFile(
            fileobj=cast("Any", content), mode="r", encoding="utf-8", errors="surrogateescape"
        )
        while True:
            content.begin_entry()
            member = archive.next()
            if member is None:
                break
            cast("Any", archive).members.clear()  # it would remember each of them
            if len(archive.pax_headers) > _MOST_GLOBAL:  # each entry has a copy of them
                raise bad("a layer has too many global headers")
            self._budget.count()
            try:
                self._take(member, content)
            except OSError as error:
                if error.errno in _SHAPE:
                    line = f"{_shown(member.name)} cannot be made: {error.strerror}"
                    raise bad(line) from None
                raise
        if content.last.strip(b"\0"):
            raise bad("a layer is no good archive: there is something else in the middle")

    def _take(self, member: tarfile.TarInfo, content: Content) -> None:
        parts = _parts(member.name)
        if not parts:
            if not member.isdir():
                raise bad(f"{_shown(member.name)} would replace the root")
            self._dress_folder(self._root.fd, ".", member)
            self._times.append(("/", nanoseconds_of(member)))
            return
        if parts[-1].startswith(_WHITEOUT):
            self._hide(parts[:-1], parts[-1])
            return
        if member.ischr() or member.isblk():
            return
        folder_fd = self._folder(parts[:-1])
        try:
            self._make(member, folder_fd, parts, content)
            self._made.add((os.fstat(folder_fd).st_ino, parts[-1]))
        finally:
            os.close(folder_fd)

    def _make(
        self, member: tarfile.TarInfo, folder_fd: int, parts: list[str], content: Content
    ) -> None:
        name = parts[-1]
        if member.isdir():
            self._make_folder(folder_fd, name)
            self._dress_folder(folder_fd, name, member)
            self._times.append(("/" + "/".join(parts), nanoseconds_of(member)))
        elif member.islnk():
            self._link(member.linkname, folder_fd, name)
        elif member.issym():
            if not member.linkname or "\0" in member.linkname:
                raise bad(f"{_shown(member.name)} is a link to nothing")
            self._remove(folder_fd, name)
            os.symlink(member.linkname, name, dir_fd=folder_fd)
            self._dress(folder_fd, name, member)
        elif member.isfifo():
            self._remove(folder_fd, name)
            os.mkfifo(name, member.mode & 0o777, dir_fd=folder_fd)
            self._dress(folder_fd, name, member)
        elif member.isreg():  # sparse ones too
            self._remove(folder_fd, name)
            self._write(member, folder_fd, name, content)
        else:
            raise bad(f"{_shown(member.name)} is of type {member.type!r}")

    # Folders

    def _folder(self, parts: list[str]) -> int:
        """Return an O_PATH descriptor of a folder, made with those above it where it is missing."""
        if not parts:
            return os.dup(self._root.fd)
        flags = os.O_PATH | os.O_DIRECTORY
        try:
            return self._root.open("/" + "/".join(parts), flags=flags)
        except FileNotFoundError:
            above_fd = self._folder(parts[:-1])
        try:
            if _exists(above_fd, parts[-1]):
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))  # a link to nowhere
            self._make_folder(above_fd, parts[-1])
        finally:
            os.close(above_fd)
        return self._root.open("/" + "/".join(parts), flags=flags)

    def _make_folder(self, above_fd: int, name: str) -> None:
        """Make a folder in place of anything that is none."""
        try:
            if stat.S_ISDIR(os.stat(name, dir_fd=above_fd, follow_symlinks=False).st_mode):
                return
            self._remove(above_fd, name)
        except FileNotFoundError:
            pass
        depth = self._depths[os.fstat(above_fd).st_ino] + 1
        if depth > _DEEPEST:
            raise bad(f"its folders are nested more than {_DEEPEST} deep")
        os.mkdir(name, 0o755, dir_fd=above_fd)
        self._depths[os.stat(name, dir_fd=above_fd, follow_symlinks=False).st_ino] = depth

    # What is there goes

    def _hide(self, parts: list[str], name: str) -> None:
        """Do what a whiteout says: remove what earlier layers had."""
        if name.startswith(".wh..wh.") and name != _OPAQUE:
            return  # aufs's own bookkeeping
        target = name.removeprefix(_WHITEOUT)
        if target in ("", ".", ".."):
            raise bad(f"{name!r} hides nothing that has a name")
        try:
            folder_fd = self._root.open("/" + "/".join(parts), flags=os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            for each in os.listdir(folder_fd) if name == _OPAQUE else [target]:
                self._clear(folder_fd, each, older=True)
        finally:
            os.close(folder_fd)

    def _remove(self, folder_fd: int, name: str) -> None:
        """Remove what has a name, whatever it is, for another to have it."""
        self._clear(folder_fd, name, older=False)

    def _clear(self, folder_fd: int, name: str, *, older: bool) -> None:
        """Remove what is there and all in it; ``older``: but not what this layer brought."""
        key = (os.fstat(folder_fd).st_ino, name)
        kept = older and key in self._made
        try:
            status = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        except FileNotFoundError:
            return
        if stat.S_ISDIR(status.st_mode):
            fd = os.open(name, _FOLDER, dir_fd=folder_fd)
            try:
                for each in os.listdir(fd):
                    self._clear(fd, each, older=older)
                kept = kept or bool(os.listdir(fd))
            finally:
                os.close(fd)
            if not kept:
                os.rmdir(name, dir_fd=folder_fd)
        elif not kept:
            os.unlink(name, dir_fd=folder_fd)
        if not kept:
            self._made.discard(key)

    # Files

    def _link(self, target: str, folder_fd: int, name: str) -> None:
        parts = _parts(target)
        if not parts:
            raise bad(f"{name!r} is a hard link to the root")
        source_fd = self._root.open("/" + "/".join(parts[:-1]), flags=os.O_PATH | os.O_DIRECTORY)
        try:
            there = os.stat(parts[-1], dir_fd=source_fd, follow_symlinks=False)
            try:
                here = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
            except FileNotFoundError:
                here = None
            if here is not None and (here.st_ino, here.st_dev) == (there.st_ino, there.st_dev):
                return
            self._remove(folder_fd, name)
            os.link(
                parts[-1], name,
                src_dir_fd=source_fd, dst_dir_fd=folder_fd, follow_symlinks=False,
            )  # fmt: skip
        finally:
            os.close(source_fd)

    def _write(self, member: tarfile.TarInfo, folder_fd: int, name: str, content: Content) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, 0o600, dir_fd=folder_fd)
        try:
            content.seek(member.offset_data)
            sparse: list[tuple[int, int]] | None = cast("Any", member).sparse
            if sparse is not None:
                self._budget.spend(member.size)  # holes cost the disk nothing, but who reads them
                for offset, size in sparse:
                    if not 0 <= offset <= offset + size <= member.size:
                        raise bad(f"{_shown(member.name)} has holes outside itself")
                    os.lseek(fd, offset, os.SEEK_SET)
                    _copy(content, fd, size)
                os.truncate(fd, member.size)
            else:
                _copy(content, fd, member.size)
            uid, gid, known = self._owners.choose(member.uid, member.gid)
            os.fchown(fd, uid, gid)  # first: it takes set-user-id away
            os.fchmod(fd, member.mode & (0o7777 if known else 0o777))
            _set_attributes(fd, member)
            when = nanoseconds_of(member)
            os.utime(fd, ns=(when, when))
        finally:
            os.close(fd)

    def _dress_folder(self, above_fd: int, name: str, member: tarfile.TarInfo) -> None:
        fd = os.open(name, _FOLDER, dir_fd=above_fd)
        try:
            uid, gid, known = self._owners.choose(member.uid, member.gid)
            os.fchown(fd, uid, gid)
            os.fchmod(fd, member.mode & (0o7777 if known else 0o1777))
            for attribute in os.listxattr(fd):
                if attribute.startswith("user."):
                    os.removexattr(fd, attribute)
            _set_attributes(fd, member)
        finally:
            os.close(fd)

    def _dress(self, folder_fd: int, name: str, member: tarfile.TarInfo) -> None:
        """Give a link or a fifo its owner and time, without opening it."""
        uid, gid, _ = self._owners.choose(member.uid, member.gid)
        os.chown(name, uid, gid, dir_fd=folder_fd, follow_symlinks=False)
        when = nanoseconds_of(member)
        os.utime(name, ns=(when, when), dir_fd=folder_fd, follow_symlinks=False)

    def _set_time(self, path: str, when: int) -> None:
        try:
            fd = self._root.open(path, flags=os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            return  # a later entry has replaced it
        try:
            os.utime(fd, ns=(when, when))
        finally:
            os.close(fd)


_SHAPE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.EPERM,
                 errno.ENAMETOOLONG, errno.EINVAL, errno.EMLINK, errno.EEXIST)  # fmt: skip
"""What the kernel says of entries that do not fit the tree; all else is the disk's."""


def _parts(name: str) -> list[str]:
    try:
        return parts_of(name)
    except ValueError:
        raise bad(f"{_shown(name)} is no name within a layer") from None


def _shown(name: str) -> str:
    return repr(name if len(name) <= _LONGEST_SHOWN else name[:_LONGEST_SHOWN] + "…")


def _exists(folder_fd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _copy(content: Content, fd: int, size: int) -> None:
    while size > 0:
        data = memoryview(content.take(min(size, _PIECE)))
        if not data:
            raise EOFError("it ends in the middle of a file")
        size -= len(data)
        while data:
            data = data[os.write(fd, data) :]


def _set_attributes(fd: int, member: tarfile.TarInfo) -> None:
    for key, text in member.pax_headers.items():
        name = key.removeprefix(_XATTR)
        wanted = name.startswith("user.") or name == _CAPABILITY
        if name == key or not wanted or name.startswith("user.overlay."):
            continue
        try:
            os.setxattr(fd, name, text.encode("utf-8", "surrogateescape"))
        except OSError as error:
            # Not every filesystem has them, and one who may not give privileges away gives none.
            if error.errno not in (errno.ENOTSUP, errno.EPERM, errno.EINVAL):
                raise
