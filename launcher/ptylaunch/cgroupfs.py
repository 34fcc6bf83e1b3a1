"""Mounts of type ``cgroup``: what a box sees below /sys/fs/cgroup is its own cgroup, and no more.

It is bound from the host's hierarchies, so it is the same with a cgroup namespace and without, in a
user namespace and without, for v1 and v2. Each hierarchy that does not hold the box is left out:
the host's root has files there that run programs as the host (release_agent, CVE-2022-0492).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ptylaunch import syscall as sc
from ptylaunch.fsmount import new_mount

if TYPE_CHECKING:
    from ptylaunch.placement import Cgroup
    from ptylaunch.plan import Mount

KINDS: Final = ("cgroup", "cgroup2")


def show_cgroup(mount: Mount, target_fd: int, cgroup: Cgroup) -> None:
    """Mount the box's cgroup at ``target_fd``, laid out as the host's; OSError."""
    rooms = dict(zip(cgroup.folders, cgroup.rooms, strict=True))
    groups: dict[str, list[str]] = {}
    for controller, folder in cgroup.v1 if mount.kind == "cgroup" else ():
        groups.setdefault(folder, []).append(controller)
    if cgroup.unified and not groups:
        _bind(rooms[cgroup.unified], target_fd, mount)
        return
    folder_fd = new_mount("tmpfs", {"mode": "755", "size": "64k"}, 0)
    try:
        sc.move_mount(folder_fd, target_fd)
        if cgroup.unified and groups:
            _bind_below(folder_fd, "unified", rooms[cgroup.unified], mount)
        for folder, controllers in groups.items():
            name = ",".join(controllers)
            _bind_below(folder_fd, name, rooms[folder], mount)
            for controller in controllers if len(controllers) > 1 else ():
                os.symlink(name, controller, dir_fd=folder_fd)
        hardened = sc.MOUNT_ATTR_NOSUID | sc.MOUNT_ATTR_NODEV | sc.MOUNT_ATTR_NOEXEC
        attrs = mount.attrs | hardened | sc.MOUNT_ATTR_RDONLY
        sc.mount_setattr(folder_fd, recursive=False, attr_set=attrs)
    finally:
        os.close(folder_fd)


def _bind_below(folder_fd: int, name: str, source: str, mount: Mount) -> None:
    os.mkdir(name, 0o755, dir_fd=folder_fd)
    target_fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder_fd)
    try:
        _bind(source, target_fd, mount)
    finally:
        os.close(target_fd)


def _bind(source: str, target_fd: int, mount: Mount) -> None:
    tree_fd = sc.open_tree(-1, source, recursive=False)
    try:
        sc.mount_setattr(
            tree_fd, recursive=False, attr_set=mount.attrs, propagation=mount.propagation
        )
        sc.move_mount(tree_fd, target_fd)
    finally:
        os.close(tree_fd)
