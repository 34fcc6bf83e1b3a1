"""What a box takes from the host: its root, its bind mounts and its device nodes.

Each is opened as a detached copy of a mount (open_tree(2)) and attached in the box later, so no
host path is ever looked up from inside. A privileged caller opens them before it forks: then
directories that only host root may enter, idmapped mounts and single mounts out of a locked tree
all work. Without the privilege the first child does it, as soon as it has its own mount namespace.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from ptylaunch import syscall as sc
from ptylaunch.device import open_devices
from ptylaunch.errors import LaunchFailed
from ptylaunch.namespace import open_user_namespace

if TYPE_CHECKING:
    from ptylaunch.plan import Device, Layers, Mount, Plan


class Sources(NamedTuple):
    """Detached mounts: ``binds`` by the index of their mount, ``devices`` are the host's nodes.

    ``layers`` too are by index; behind the lower ones of an overlay comes the folder that holds its
    upper one.
    """

    root: int
    binds: dict[int, int]
    devices: list[tuple[Device, int]]
    layers: dict[int, tuple[int, ...]]

    def close(self) -> None:
        layers = [fd for fds in self.layers.values() for fd in fds]
        for fd in (self.root, *self.binds.values(), *layers, *(fd for _, fd in self.devices)):
            os.close(fd)


def may_open_sources() -> bool:
    """Tell whether this process may make detached mounts (CAP_SYS_ADMIN over its namespace)."""
    try:
        os.close(sc.open_tree(-1, "/", recursive=False))
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EINVAL):  # EINVAL: locked mounts below, in a userns
            return error.errno == errno.EINVAL
        raise LaunchFailed("mount", error.errno or errno.EIO, "open_tree: Linux 5.12 is needed") \
            from error  # fmt: skip
    return True


def open_sources(plan: Plan) -> Sources:
    """Open all of them; their flags are set here, their id maps by :func:`idmap_sources`."""
    opened: list[int] = []
    binds: dict[int, int] = {}
    layers: dict[int, tuple[int, ...]] = {}
    try:
        root = _open(plan.root, "root", recursive=True)
        opened.append(root)
        _set(root, "root", attrs=0, propagation=sc.MS_PRIVATE, recursive=True)
        for index, mount in enumerate(plan.mounts):
            if mount.bind:
                stage = f"mount {mount.target}"
                fd = binds[index] = _open(mount.source, stage, recursive=mount.recursive)
                opened.append(fd)
                _set(fd, stage, mount.attrs, mount.propagation, recursive=mount.recursive)
            if mount.layers is not None:
                layers[index] = _open_layers(mount.layers, f"mount {mount.target}", opened)
        devices = open_devices(plan)
    except BaseException:
        for fd in opened:
            os.close(fd)
        raise
    return Sources(root, binds, devices, layers)


def idmap_sources(plan: Plan, sources: Sources, userns_fd: int) -> None:
    """Give the idmapped mounts the box's ids; wants privilege over their filesystems."""
    for index, mount in enumerate(plan.mounts):
        if mount.idmap and mount.own_maps is None:
            _idmap(index, mount, sources, userns_fd)


def idmap_by_own_maps(plan: Plan, sources: Sources | None) -> None:
    """The same for those that have maps of their own: by a user namespace for each."""
    for index, mount in enumerate(plan.mounts):
        if mount.own_maps is None:
            continue
        if sources is None:
            detail = "an idmapped mount wants a caller with CAP_SYS_ADMIN"
            raise LaunchFailed(f"mount {mount.target}", errno.EPERM, detail)
        userns_fd = open_user_namespace(*mount.own_maps)
        try:
            _idmap(index, mount, sources, userns_fd)
        finally:
            os.close(userns_fd)


def _idmap(index: int, mount: Mount, sources: Sources, userns_fd: int) -> None:
    lower = () if mount.layers is None else mount.layers.lower
    trees = sources.layers[index][: len(lower)] if lower else (sources.binds[index],)
    for fd, source in zip(trees, lower or (mount.source,), strict=True):
        try:
            sc.mount_setattr(
                fd,
                recursive=mount.idmap_all,
                attr_set=sc.MOUNT_ATTR_IDMAP,
                userns_fd=userns_fd,
            )
        except OSError as error:
            detail = f"{source}: its filesystem cannot be idmapped"
            stage = f"mount {mount.target}"
            raise LaunchFailed(stage, error.errno or errno.EIO, detail) from error


def _open_layers(layers: Layers, stage: str, opened: list[int]) -> tuple[int, ...]:
    """Open each by itself, without what is mounted in it: an overlay does not show that."""
    above = os.path.dirname(layers.upper)
    fds: list[int] = []
    for path in (*layers.lower, *([above] if above else [])):
        fd = _open(path, stage, recursive=False)
        opened.append(fd)
        fds.append(fd)
        _set(fd, stage, attrs=0, propagation=sc.MS_PRIVATE, recursive=False)
    return tuple(fds)


def _open(path: str, stage: str, *, recursive: bool) -> int:
    try:
        return sc.open_tree(-1, path, recursive=recursive)
    except OSError as error:
        raise LaunchFailed(stage, error.errno or errno.EIO, path) from error


def _set(fd: int, stage: str, attrs: int, propagation: int, *, recursive: bool) -> None:
    """Set flags on a tree; a copy of a shared mount is a peer of the host's until made private."""
    try:
        sc.mount_setattr(fd, recursive=recursive, attr_set=attrs, propagation=propagation)
    except OSError as error:
        detail = "mount_setattr: Linux 5.12 is needed" if error.errno == errno.ENOSYS else "flags"
        raise LaunchFailed(stage, error.errno or errno.EIO, detail) from error
