"""The trees of images, kept in the state folder and shared by all boxes that run them.

``images/trees/KEY/root`` is a whole tree. KEY is the image's chain id; an ordinary user's trees are
owned by ids of their own ranges, so theirs has a digest of those behind it, while root's have the
image's own ids (from 0 on) and are mapped for each box. A tree is made in ``images/unpacking`` and
renamed when it is complete and proven: what is in ``trees`` is whole, whoever was killed when.
``images/locks/KEY`` (flock(2)) is held by who makes, takes or removes it. A container that uses a
tree has a link to it, ``image``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from functools import partial
from typing import TYPE_CHECKING

from ptycli.idmap import SIZE, IdMaps, rooted, rootless
from ptycli.image.applier import Applier, Owners
from ptycli.image.content import ZSTD, Budget, Content
from ptycli.image.layout import Image, open_blob
from ptycli.image.zstd import Starter
from ptykeep import state
from ptylaunch.idspace import work_as_root
from ptylaunch.plan import IdRange
from ptylaunch.syscall import sync_filesystem

if TYPE_CHECKING:
    from collections.abc import Generator


class InUse(Exception):
    """A tree cannot be removed: a container has it."""


def take(dirs: state.Dirs, image: Image, maps: IdMaps, container: str) -> str:
    """Return the root of the image's tree, unpacked if it is not there, for a container to use.

    LaunchFailed says what is wrong with the image, or with this host.
    """
    with _unpacked(dirs, image, maps) as tree:
        os.symlink(tree, f"{state.container_dir(dirs, container)}/image")
    return f"{tree}/root"


def unpack(dirs: state.Dirs, image: Image, maps: IdMaps) -> None:
    """Have the image's tree there, for no container yet; raise as :func:`take`."""
    with _unpacked(dirs, image, maps):
        pass


@contextlib.contextmanager
def _unpacked(dirs: state.Dirs, image: Image, maps: IdMaps) -> Generator[str]:
    """Give the image's tree, unpacked if it is not there, and hold it."""
    key = key_of(image, maps)
    folder = prepare(dirs)
    tree = f"{folder}/trees/{key}"
    with locked(folder, key):
        if not os.path.isdir(tree):
            _unpack(image, maps, f"{folder}/unpacking/{key}", tree)
        if not os.path.exists(f"{tree}/image.json"):
            size = sum(layer.size for layer in image.layers)
            note = {"id": image.id, "name": image.name, "size": size}
            state.write_json(f"{tree}/image.json", {**note, "created": image.created})
        yield tree


def own_maps() -> IdMaps:
    """Return the ids with which we make trees; root's are the same for all its boxes."""
    return rooted(state.RANGE_FIRST) if os.geteuid() == 0 else rootless()


def users(dirs: state.Dirs) -> dict[str, list[str]]:
    """Return the containers of each tree that is used, by its key."""
    found: dict[str, list[str]] = {}
    for container in state.list_containers(dirs):
        try:
            target = os.readlink(f"{state.container_dir(dirs, container)}/image")
        except OSError:
            continue
        found.setdefault(os.path.basename(target), []).append(container)
    return found


def list_trees(dirs: state.Dirs) -> list[str]:
    """Return the keys of all complete trees."""
    try:
        return sorted(os.listdir(f"{dirs.data}/images/trees"))
    except FileNotFoundError:
        return []


def remove_tree(dirs: state.Dirs, key: str, maps: IdMaps) -> None:
    """Forget a tree; raise InUse while a container has it. ``maps`` are those it was made with."""
    folder = prepare(dirs)
    with locked(folder, key):
        if used := users(dirs).get(key):
            raise InUse(f"container {used[0][:12]} has it")
        try:
            os.rename(f"{folder}/trees/{key}", f"{folder}/unpacking/{key}")
        except FileNotFoundError:
            pass
        _discard(f"{folder}/unpacking/{key}", maps)


def key_of(image: Image, maps: IdMaps) -> str:
    chain = image.chain_id.replace(":", "-")
    if maps.rooted:
        return chain
    ranges = repr((maps.uids, maps.gids)).encode()
    return f"{chain}-{hashlib.sha256(ranges).hexdigest()[:12]}"


def prepare(dirs: state.Dirs) -> str:
    folder = f"{dirs.data}/images"
    for name in ("trees", "unpacking", "locks"):
        os.makedirs(f"{folder}/{name}", 0o700, exist_ok=True)
    os.chmod(folder, 0o700)
    return folder


@contextlib.contextmanager
def locked(folder: str, key: str) -> Generator[None]:
    fd = os.open(f"{folder}/locks/{key}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _unpack(image: Image, maps: IdMaps, place: str, tree: str) -> None:
    _discard(place, maps)  # of somebody who was killed
    try:
        os.mkdir(place, 0o700)
        blobs_fd = os.open(image.blobs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            work_as_root(*_ids(maps), partial(_apply, image, maps, place, blobs_fd))
        finally:
            os.close(blobs_fd)
        os.rename(place, tree)
    except BaseException:
        _discard(place, maps)
        raise


def _apply(image: Image, maps: IdMaps, place: str, blobs_fd: int) -> None:
    """Apply all layers in the new folder ``place``. Runs in a child, see ``idspace``."""
    os.umask(0)
    os.mkdir(f"{place}/root", 0o755)
    tree_fd = os.open(f"{place}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fchdir(tree_fd)
    zstd = shutil.which("zstd") if any(layer.kind in ZSTD for layer in image.layers) else None
    starter = Starter(zstd) if zstd else None
    os.chroot(".")  # nothing but the tree has a name from here on
    every = (IdRange(0, 0, SIZE),)
    owners = Owners(every, every) if maps.rooted else Owners(maps.uids, maps.gids)
    budget = Budget()
    applier = Applier(tree_fd, owners, budget)
    for layer, diff_id in zip(image.layers, image.diff_ids, strict=True):
        fd = open_blob(blobs_fd, layer)
        try:
            applier.apply(Content(fd, layer, diff_id, budget, starter))
        finally:
            os.close(fd)
    if starter is not None:
        starter.close()
    sync_filesystem(tree_fd)  # before the name says that it is complete


def _discard(place: str, maps: IdMaps) -> None:
    if os.path.lexists(place):
        work_as_root(*_ids(maps), partial(shutil.rmtree, place))


def _ids(maps: IdMaps) -> tuple[tuple[IdRange, ...], tuple[IdRange, ...]]:
    """Return the ids of whoever makes trees: root needs none but its own."""
    return ((), ()) if maps.rooted else (maps.uids, maps.gids)
