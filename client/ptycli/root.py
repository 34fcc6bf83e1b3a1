"""What a box has as its root: the skeleton with the host's programs, a folder, or an image's tree.

- ``host``: the skeleton (ptycli.skeleton), read-only, the host's programs in it. ``--writable``
  makes the skeleton writable and lays an overlay over each folder of the host, so that an
  ``apt install`` works inside and is gone with the box.
- a folder (``--rootfs``), or an image: an overlay over it. The box writes as it likes, to a folder
  of the container that is removed with it, and **what was given is not changed**: one folder may
  serve many boxes, and a program that goes wild costs nobody their files. Whoever wants what podman
  does says ``--rootfs DIR --writable``: then the folder itself is the root.

Who owns the files: root gives each box ids of its own, and maps the folder's to them (idmapped
mounts): what is 0 on disk is the box's root. An ordinary user cannot; the folder's files have to be
their own, or of their subordinate ids, and what is somebody else's belongs to nobody inside and
cannot be changed there. ``--read-only`` leaves the upper layer for mount points alone.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptycli.arguments import Failure
from ptycli.skeleton import host_trees
from ptylaunch.overlay import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ptycli.idmap import IdMaps

_PACKAGES: Final = ("/var/lib/dpkg", "/var/lib/rpm", "/usr/lib/sysimage/rpm")
"""What package managers know of what is installed; shown by ``--writable``."""

FOREIGN: Final = (
    "only files of your own can be changed in the box: an ordinary user cannot map other owners"
)
_ETC: Final = ("hosts", "hostname", "resolv.conf")


class Root(NamedTuple):
    """``mounts`` come before all others; ``files`` is where its files can be read out here.

    ``own`` is a root that brings its own programs: no folder of it is covered with memory.
    """

    mounts: tuple[dict[str, Any], ...]
    files: str
    readonly: bool = True
    own: bool = False
    notice: str = ""


def host_root(rootfs: str = "", trees: Sequence[str] | None = None) -> Root:
    """Return the skeleton at ``rootfs`` with the host's folders, read-only."""
    found = host_trees() if trees is None else trees
    options = ["rbind", "ro", "nosuid", "nodev"]
    return Root(tuple(_mount(tree, "bind", tree, options) for tree in found), rootfs)


def writable_host_root(rootfs: str, layers: str, maps: IdMaps) -> Root:
    """Return the same, writable: each change goes to a folder below ``layers``."""
    packages = [tree for tree in _PACKAGES if os.path.isdir(tree) and not tree.startswith("/usr/")]
    mounts = [
        _overlay(tree, tree, f"{layers}/{number}", maps, nosuid=True)
        for number, tree in enumerate((*host_trees(), *packages))
    ]
    notice = "" if maps.rooted else FOREIGN
    return Root(tuple(mounts), rootfs, readonly=False, notice=notice)


def folder_root(folder: str, layers: str, maps: IdMaps, *, nosuid: bool, readonly: bool) -> Root:
    """Return an overlay over a folder, which stays as it is."""
    mount = _overlay("/", folder, f"{layers}/root", maps, nosuid=nosuid)
    notice = "" if maps.rooted or _is_ours(folder, maps) else FOREIGN
    return Root((mount,), folder, readonly, own=True, notice=notice)


def shared_root(folder: str, maps: IdMaps, *, nosuid: bool) -> Root:
    """Return the folder itself: the box changes it."""
    options = ["rbind", "rw", "nodev", *(["nosuid"] if nosuid else [])]
    options += ["ridmap"] if maps.rooted else []
    notice = "" if maps.rooted or _is_ours(folder, maps) else FOREIGN
    mounts = (_mount("/", "bind", folder, options),)
    return Root(mounts, folder, readonly=False, own=True, notice=notice)


def find_folder(text: str) -> str:
    """Return the absolute path of ``--rootfs``; Failure when it cannot be a root."""
    path = os.path.realpath(text)
    try:
        status = os.stat(path)
    except OSError as error:
        raise Failure(f"--rootfs {text}: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise Failure(f"--rootfs {text}: not a folder")
    if path == "/":
        raise Failure("--rootfs /: the host's own root holds its secrets; without it the box has")
    return path


def etc_mounts(
    folder: str,
    texts: dict[str, str],
    owner: tuple[int, int] | None,
    covered: set[str],
    *,
    readonly: bool,
) -> list[dict[str, Any]]:
    """Write who and where the box is into ``folder``; return mounts over /etc, as docker has them.

    The launcher resolves the targets inside the root, whatever links are there.
    """
    os.mkdir(folder, 0o755)
    mounts: list[dict[str, Any]] = []
    for name in _ETC:
        path = f"{folder}/{name}"
        with open(path, "x", encoding="utf-8") as file:
            file.write(texts[name])
        os.chmod(path, 0o644)
        if owner is not None:
            os.chown(path, *owner)
        if f"/etc/{name}" not in covered:
            options = ["bind", "ro" if readonly else "rw", "nosuid", "nodev", "noexec"]
            mounts.append(_mount(f"/etc/{name}", "bind", path, options))
    return mounts


def _is_ours(folder: str, maps: IdMaps) -> bool:
    """Tell whether the folder, which stands for what is in it, has an owner whom the box has."""
    uid = os.stat(folder).st_uid
    return any(part.outside <= uid < part.outside + part.size for part in maps.uids)


def _overlay(target: str, lower: str, layers: str, maps: IdMaps, *, nosuid: bool) -> dict[str, Any]:
    """Make the folders of an overlay and return its mount."""
    owner = (maps.root_uid, maps.root_gid)
    os.makedirs(layers, 0o700)
    for folder in (f"{layers}/upper", f"{layers}/work"):
        os.mkdir(folder, 0o700)
        if maps.rooted:
            os.chown(folder, *owner)
    if maps.rooted:
        os.chown(layers, *owner)
    # The merged folder is as the upper one is.
    os.chmod(f"{layers}/upper", stat.S_IMODE(os.stat(lower).st_mode))
    options = [f"lowerdir={escape(lower)}", f"upperdir={escape(layers)}/upper"]
    options += [f"workdir={escape(layers)}/work", "userxattr", "nodev"]
    options += ["nosuid"] * nosuid + ["idmap"] * maps.rooted
    return _mount(target, "overlay", "overlay", options)


def _mount(target: str, kind: str, source: str, options: list[str]) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source, "options": options}
