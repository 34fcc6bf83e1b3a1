"""Puts the box's root together and moves into it. Runs in pid 1 of the box, as its root.

Every path inside the root is resolved by the kernel under RESOLVE_IN_ROOT (openat2(2)) and then
used as an fd: a symlink in an image cannot point a mount at the host (CVE-2021-30465,
CVE-2024-45310, CVE-2026-41579).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from ptylaunch import cgroupfs, device
from ptylaunch import syscall as sc
from ptylaunch.copying import copy_tree
from ptylaunch.errors import LaunchFailed
from ptylaunch.fsmount import new_mount
from ptylaunch.overlay import mount_overlays
from ptylaunch.plan import Mount, Plan, host_id

if TYPE_CHECKING:
    from ptylaunch.placement import Cgroup
    from ptylaunch.source import Sources

_INSIDE: Final = sc.RESOLVE_IN_ROOT | sc.RESOLVE_NO_MAGICLINKS
_STRICT: Final = _INSIDE | sc.RESOLVE_NO_SYMLINKS
_RACES: Final = 16
"""openat2(2) answers EAGAIN when it lost a race against a rename: so often it is tried again."""

_LINKS_MAX: Final = 8
"""Of links that lead nowhere, one to the next, before a file is made at the end."""

KERNEL_VIEWS: Final = ("proc", "sysfs", "devpts", "mqueue", *cgroupfs.KINDS)
"""Types whose target must be a real directory: a symlink there redirects writes to /proc."""

_LINKS: Final = (
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
)


class Rootfs:
    """The new root while it is being built: an fd, and everything relative to it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def open(self, path: str, *, strict: bool = False, flags: int = os.O_PATH) -> int:
        """Return an fd of ``path`` inside the root, O_PATH; ``strict`` refuses symlinks."""
        for _ in range(_RACES):
            try:
                return sc.openat2(self.fd, path, flags, _STRICT if strict else _INSIDE)
            except BlockingIOError:
                continue
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)

    def make_directory(self, path: str, *, strict: bool = False) -> int:
        """Return an fd of ``path``, made with its parents where it is missing."""
        try:
            return self.open(path, strict=strict)
        except FileNotFoundError:
            parent, _, name = path.rstrip("/").rpartition("/")
            parent_fd = self.make_directory(parent or "/", strict=strict)
            try:
                os.mkdir(name, 0o755, dir_fd=parent_fd)
            except FileExistsError:
                pass  # somebody else made it, or a dangling symlink: open tells
            finally:
                os.close(parent_fd)
            return self.open(path, strict=strict)

    def make_file(self, path: str, *, strict: bool = False, links: int = _LINKS_MAX) -> int:
        """Return an fd of ``path``, made as an empty file where it is missing.

        Behind a link that leads nowhere the file is made where it leads to inside, as docker does:
        /etc/resolv.conf of many an image points into /run. At most ``links`` are followed.
        """
        try:
            return self.open(path, strict=strict)
        except FileNotFoundError:
            parent, _, name = path.rpartition("/")
            parent_fd = self.make_directory(parent or "/", strict=strict)
            try:
                # mknod never follows, truncates or opens what may be there (open(2) might)
                os.mknod(name, stat.S_IFREG | 0o644, dir_fd=parent_fd)
            except FileExistsError:
                if links and not strict and (target := _link_target(name, parent_fd)):
                    target = target if target.startswith("/") else f"{parent}/{target}"
                    return self.make_file(target, links=links - 1)
            finally:
                os.close(parent_fd)
            return self.open(path, strict=strict)


def _link_target(name: str, folder_fd: int) -> str:
    try:
        return os.readlink(name, dir_fd=folder_fd)
    except OSError:
        return ""


def build_rootfs(plan: Plan, sources: Sources, place_fd: int, cgroup: Cgroup) -> Rootfs:
    """Mount everything at ``place_fd``; the host's root is still around it until :func:`enter`."""
    # Nothing mounted from here on may reach the host. The host's own mounts stay slaves until
    # they are detached: a private copy would hold every disk that the host unmounts meanwhile.
    sc.mount(None, "/", None, sc.MS_SLAVE | sc.MS_REC)
    made = {**sources.binds, **mount_overlays(plan, sources, place_fd)}
    first_is_root = bool(plan.mounts) and plan.mounts[0].target == "/"
    root = Rootfs(made.pop(0) if first_is_root else sources.root)
    sc.move_mount(root.fd, place_fd)
    os.close(place_fd)
    for index, mount in enumerate(plan.mounts):
        try:
            if index in made:
                _attach(root, mount.target, made[index])
            elif first_is_root and index == 0:
                continue
            else:
                _mount_new(root, mount, plan, cgroup)
        except OSError as error:
            stage = f"mount {mount.target}"
            raise LaunchFailed(stage, error.errno or errno.EIO, mount.source) from error
    if not any(mount.bind and mount.target == "/dev" for mount in plan.mounts):
        _populate_dev(root, plan, sources)
    return root


def finish_rootfs(root: Rootfs, plan: Plan) -> None:
    """Everything that takes writability away."""
    try:  # as docker does; where the root is read-only the program's chdir tells
        os.close(root.make_directory(plan.program.cwd))
    except OSError:
        pass
    for path in plan.readonly:
        _remount_readonly(root, path)
    for path in plan.masked:
        _mask(root, path)
    if plan.root_readonly:
        sc.mount_setattr(root.fd, recursive=False, attr_set=sc.MOUNT_ATTR_RDONLY)


def enter(root: Rootfs) -> None:
    """Make it the root and let go of the host's (pivot_root(2), "pivot_root(".", ".")")."""
    old_root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    os.fchdir(root.fd)
    sc.pivot_root(".", ".")
    os.fchdir(old_root)
    sc.unmount(".", sc.MNT_DETACH)
    os.chdir("/")
    os.close(old_root)


def enter_without_pivot(root: Rootfs, place: str) -> None:
    """Make what is mounted at ``place`` the root where pivot_root(2) cannot: on an initramfs.

    The host's own root stays below, and in a user namespace its mounts too, for they are locked
    (mount_namespaces(7)): nothing leads there but unmounting ours, which wants CAP_SYS_ADMIN.
    """
    place = os.path.realpath(place)
    # Not "/" itself: with it would go all that is in it, ours included.
    others = [
        path for path in _mount_points()
        if path != "/" and not f"{path}/".startswith(f"{place}/")
    ]  # fmt: skip
    old_root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    os.fchdir(root.fd)
    sc.mount(".", "/", None, sc.MS_MOVE)
    os.fchdir(old_root)
    for path in reversed(others):
        try:
            sc.unmount("." + path, sc.MNT_DETACH)
        except OSError:
            continue  # a locked one, or gone with the one that it was in
    os.close(old_root)
    os.fchdir(root.fd)
    os.chroot(".")
    os.chdir("/")


def _mount_points() -> list[str]:
    """Return where something is mounted, each after the one that it is in (proc(5))."""
    with open("/proc/self/mountinfo", "rb") as file:
        points = [line.split()[4] for line in file]
    # By hand: a codec would be imported late, and see the head of builder.py.
    for octal, byte in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        points = [point.replace(octal, byte) for point in points]
    return [os.fsdecode(point) for point in points]


def _attach(root: Rootfs, target: str, tree_fd: int) -> None:
    directory = stat.S_ISDIR(os.fstat(tree_fd).st_mode)
    target_fd = root.make_directory(target) if directory else root.make_file(target)
    try:
        sc.move_mount(tree_fd, target_fd)
    finally:
        os.close(target_fd)


def _mount_new(root: Rootfs, mount: Mount, plan: Plan, cgroup: Cgroup) -> None:
    target_fd = root.make_directory(mount.target, strict=mount.kind in KERNEL_VIEWS)
    try:
        if mount.kind in cgroupfs.KINDS:
            cgroupfs.show_cgroup(mount, target_fd, cgroup)
            return
        os.fchdir(target_fd)  # mount(2) has no fd for its target; "." cannot be redirected
        flags = mount.flags & ~sc.MS_RDONLY if mount.copy_up else mount.flags
        sc.mount(mount.source, ".", mount.kind, flags, _own_data(mount, plan))
        if mount.copy_up:
            _copy_up(root, mount, target_fd)
    finally:
        os.close(target_fd)


def _copy_up(root: Rootfs, mount: Mount, covered_fd: int) -> None:
    """Fill a new mount with what it covers, which its own fd still shows."""
    new_fd = root.open(mount.target, strict=True)
    try:
        copy_tree(covered_fd, new_fd)
        if mount.flags & sc.MS_RDONLY:
            sc.mount_setattr(new_fd, recursive=False, attr_set=sc.MOUNT_ATTR_RDONLY)
    finally:
        os.close(new_fd)


def _own_data(mount: Mount, plan: Plan) -> str:
    """Drop a uid= or gid= that the box does not have: the kernel refuses the whole mount."""
    kept: list[str] = []
    for option in filter(None, mount.data.split(",")):
        key, _, value = option.partition("=")
        ranges = {"uid": plan.uid_map, "gid": plan.gid_map}.get(key)
        if ranges is None or not value.isdecimal() or host_id(int(value), ranges) is not None:
            kept.append(option)
    return ",".join(kept)


def _populate_dev(root: Rootfs, plan: Plan, sources: Sources) -> None:
    device.populate(root, plan, sources.devices)
    dev_fd = root.open("/dev", strict=True)
    try:
        for target, name in _LINKS:
            try:
                os.symlink(target, name, dir_fd=dev_fd)
            except FileExistsError:
                continue
    finally:
        os.close(dev_fd)


def _remount_readonly(root: Rootfs, path: str) -> None:
    try:
        fd = root.open(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        tree_fd = sc.open_tree(fd, "", recursive=True)
        try:
            sc.mount_setattr(tree_fd, recursive=True, attr_set=sc.MOUNT_ATTR_RDONLY)
            sc.move_mount(tree_fd, fd)
        finally:
            os.close(tree_fd)
    except OSError as error:
        raise LaunchFailed("read-only path", error.errno or errno.EIO, path) from error
    finally:
        os.close(fd)


def _mask(root: Rootfs, path: str) -> None:
    try:
        fd = root.open(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            _cover_with_nothing(fd)
            return
        null_fd = root.open("/dev/null", strict=True)
        try:
            _cover_with_null(null_fd, fd)
        finally:
            os.close(null_fd)
    except OSError as error:
        raise LaunchFailed("masked path", error.errno or errno.EIO, path) from error
    finally:
        os.close(fd)


def _cover_with_nothing(target_fd: int) -> None:
    """Mount an empty folder there; it may be one that we have no right to enter (tracefs)."""
    attrs = sc.MOUNT_ATTR_RDONLY | sc.MOUNT_ATTR_NOSUID | sc.MOUNT_ATTR_NODEV | sc.MOUNT_ATTR_NOEXEC
    options = {"nr_blocks": "1", "nr_inodes": "2", "mode": "555"}
    empty_fd = new_mount("tmpfs", options, attrs)
    try:
        sc.move_mount(empty_fd, target_fd)
    finally:
        os.close(empty_fd)


def _cover_with_null(null_fd: int, target_fd: int) -> None:
    """Mount /dev/null there, once it is proven to be it (CVE-2025-31133)."""
    status = os.fstat(null_fd)
    if not stat.S_ISCHR(status.st_mode) or status.st_rdev != os.makedev(1, 3):
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), "/dev/null")
    tree_fd = sc.open_tree(null_fd, "", recursive=False)
    try:
        sc.move_mount(tree_fd, target_fd)
    finally:
        os.close(tree_fd)
