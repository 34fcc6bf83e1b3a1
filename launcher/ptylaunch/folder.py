"""The folder of one container below ``--root``: what the commands of a runtime know of each other.

``cgroup.json`` (before there is a cgroup), ``config.json`` and ``state.json`` are written by
rename(2), ``start.sock`` is there until the program was started. Who changes a container holds a
lock on its folder (flock(2)); who only looks at it needs none. A folder without state.json is what
a killed ``create`` left: the next takes it.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from typing import Any, Final, Self, cast

from ptylaunch.errors import Refused

_LONGEST: Final = 255
"""Characters of an id."""
_WITHOUT_MARKS: Final = dict.fromkeys(map(ord, "_+.-"))
_STATE: Final = "state.json"


def default_root() -> str:
    """Return where containers are when ``--root`` does not say it.

    The root of a user namespace, which podman is for an ordinary user, is no root of the host.
    """
    uid = os.geteuid()
    if uid == 0 and not _is_in_user_namespace():
        return "/run/ptylaunch"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):  # a relative path is to be ignored, says the specification
        return runtime + "/ptylaunch"
    return "/run/ptylaunch" if uid == 0 else f"/tmp/ptylaunch-{uid}"  # noqa: S108 - its owner is checked


def check_id(name: str) -> str:
    """Return ``name`` if a container can be called so: it becomes a name of a folder."""
    if not _is_id(name):
        shown = name if len(name) <= 64 else name[:64] + "…"
        raise Refused(f"invalid characters or length in container ID {shown!r}")
    return name


def _is_id(name: str) -> bool:
    """Letters, digits and ``_+.-`` of ASCII, the last two not in the first place."""
    inner = name.translate(_WITHOUT_MARKS)
    return (
        name.isascii()
        and len(name) <= _LONGEST
        and name[:1] not in ("", ".", "-")
        and (inner.isalnum() or not inner)
    )


def list_ids(root: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(root) if _is_id(name))
    except FileNotFoundError:
        return []


class Folder:
    """An open folder; ``fd`` is -1 once it is closed, and the lock, if any, is gone with it."""

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd

    @classmethod
    def claim(cls, root: str, name: str) -> Self:
        """Make and lock the folder of a new container, or take a leftover as it is."""
        path = os.path.join(root, check_id(name))
        _prepare(root)
        taken = Refused(f"container {name} exists already")
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass  # it may be a leftover
        folder = cls(path, _open(path))
        try:
            fcntl.flock(folder.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            folder.close()
            raise taken from None
        if folder.is_removed() or not folder.is_leftover():
            folder.close()
            raise taken
        return folder

    @classmethod
    def open(cls, root: str, name: str, *, lock: bool = False) -> Self:
        """Open that of a container; Refused when there is none."""
        path = os.path.join(root, check_id(name))
        missing = Refused(f"container {name} does not exist")
        try:
            folder = cls(path, _open(path))
        except FileNotFoundError:
            raise missing from None
        if lock:
            fcntl.flock(folder.fd, fcntl.LOCK_EX)  # waits for a create that is under way
            if folder.is_removed():
                folder.close()
                raise missing
        return folder

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def is_leftover(self) -> bool:
        """Tell whether its creator was killed before the container was one."""
        return _STATE not in os.listdir(self.fd)

    def is_removed(self) -> bool:
        return os.fstat(self.fd).st_nlink == 0

    def read(self, name: str) -> dict[str, Any]:
        """Return a JSON object; FileNotFoundError, or Refused when it is broken."""
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)
        with open(fd, encoding="utf-8") as file:
            try:
                value: Any = json.load(file)
            except (ValueError, RecursionError) as error:
                raise Refused(f"{self.path}/{name}: {error}") from None
        if not isinstance(value, dict):
            raise Refused(f"{self.path}/{name} is no object")
        return cast("dict[str, Any]", value)

    def write(self, name: str, value: dict[str, Any]) -> None:
        write_whole(name, json.dumps(value), dir_fd=self.fd)

    def empty(self) -> None:
        """Remove what is in it, state.json last: without it the rest is a leftover."""
        for name in sorted(os.listdir(self.fd), key=_STATE.__eq__):
            os.unlink(name, dir_fd=self.fd)

    def remove(self) -> None:
        """Remove it with all that is in it; the id is free from here on."""
        self.empty()
        os.rmdir(self.path)


def write_whole(path: str, text: str, *, dir_fd: int | None = None, mode: int = 0o600) -> None:
    """Write a file so that whoever reads it sees all or nothing of it (rename(2))."""
    head, _, tail = path.rpartition("/")
    temporary = f"{head}/.{tail}.new" if head or path.startswith("/") else f".{tail}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(temporary, flags, mode, dir_fd=dir_fd)
    try:
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(temporary, path, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except OSError:
        os.unlink(temporary, dir_fd=dir_fd)
        raise


def _is_in_user_namespace() -> bool:
    """Tell whether our uids are others than the host's (user_namespaces(7))."""
    with open("/proc/self/uid_map", encoding="utf-8") as file:
        return file.read().split() != ["0", "0", "4294967295"]


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _prepare(root: str) -> None:
    """Make the root; in a folder that everybody may write to it must be our own."""
    os.makedirs(root, mode=0o700, exist_ok=True)
    if root == default_root():
        status = os.lstat(root)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise Refused(f"{root} is not a folder of yours")
