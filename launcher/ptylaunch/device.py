"""Device nodes of a box: those every box has, bound from the host, and those a spec asks for.

Without a user namespace a node is made, with the mode and the owner that the spec gives it. In one
nobody can make a device (mknod(2)), so there it is the host's own node, with its mode and owner.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from ptylaunch import syscall as sc
from ptylaunch.devicerule import may_make_devices
from ptylaunch.errors import LaunchFailed
from ptylaunch.plan import Device

if TYPE_CHECKING:
    from ptylaunch.plan import Plan
    from ptylaunch.rootfs import Rootfs

DEFAULT_DEVICES: Final = (
    Device("/dev/null", stat.S_IFCHR, 1, 3),
    Device("/dev/zero", stat.S_IFCHR, 1, 5),
    Device("/dev/full", stat.S_IFCHR, 1, 7),
    Device("/dev/random", stat.S_IFCHR, 1, 8),
    Device("/dev/urandom", stat.S_IFCHR, 1, 9),
    Device("/dev/tty", stat.S_IFCHR, 5, 0),
)
"""runtime-spec, config-linux.md, "Default Devices" without console and ptmx."""

_ATTRS: Final = sc.MOUNT_ATTR_NOSUID | sc.MOUNT_ATTR_NOEXEC


def open_devices(plan: Plan) -> list[tuple[Device, int]]:
    """Return detached mounts of the nodes that are the host's; LaunchFailed("device", …)."""
    asked = {device.path for device in plan.devices}
    wanted = [device for device in DEFAULT_DEVICES if device.path not in asked]
    wanted += [device for device in plan.devices if not _is_made(device, plan)]
    opened: list[tuple[Device, int]] = []
    try:
        for device in wanted:
            opened.append((device, _open(device)))
            _verify(opened[-1][1], device)
            sc.mount_setattr(
                opened[-1][1], recursive=False, attr_set=_ATTRS, propagation=sc.MS_PRIVATE
            )
    except BaseException as error:
        for _, fd in opened:
            os.close(fd)
        if isinstance(error, OSError):
            raise LaunchFailed("device", error.errno or errno.EIO, "mount_setattr") from error
        raise
    return opened


def populate(root: Rootfs, plan: Plan, bound: list[tuple[Device, int]]) -> None:
    """Put all of them into the root."""
    for device, fd in bound:
        target_fd = root.make_file(device.path, strict=True)
        try:
            sc.move_mount(fd, target_fd)
        finally:
            os.close(target_fd)
    for device in plan.devices:
        if _is_made(device, plan):
            _make(root, device)


def _is_made(device: Device, plan: Plan) -> bool:
    if device.kind == stat.S_IFIFO:
        return True
    return not plan.every_namespace & sc.CLONE_NEWUSER and may_make_devices()


def _make(root: Rootfs, device: Device) -> None:
    folder, _, name = device.path.rpartition("/")
    folder_fd = root.make_directory(folder or "/", strict=True)
    try:
        number = os.makedev(device.major, device.minor)
        try:
            os.mknod(name, device.kind | 0o600, number, dir_fd=folder_fd)
        except FileExistsError:
            pass  # in a root that was used before; it is looked at below
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, dir_fd=folder_fd)
        try:
            status = os.fstat(fd)
            if stat.S_IFMT(status.st_mode) != device.kind or (
                device.kind != stat.S_IFIFO and status.st_rdev != number
            ):
                raise LaunchFailed("device", errno.EEXIST, device.path)
            # An O_PATH descriptor takes neither fchown(2) nor fchmod(2), its name in /proc does.
            os.chown(f"/proc/self/fd/{fd}", device.uid, device.gid)
            os.chmod(f"/proc/self/fd/{fd}", device.mode)
        finally:
            os.close(fd)
    except OSError as error:
        raise LaunchFailed("device", error.errno or errno.EIO, device.path) from error
    finally:
        os.close(folder_fd)


def _open(device: Device) -> int:
    try:
        return sc.open_tree(-1, device.path, recursive=False)
    except OSError as error:
        raise LaunchFailed("device", error.errno or errno.EIO, device.path) from error


def _verify(fd: int, device: Device) -> None:
    """A wrong node under a device's name would be mounted into the box otherwise."""
    status = os.fstat(fd)
    wanted = os.makedev(device.major, device.minor)
    if stat.S_IFMT(status.st_mode) != device.kind or status.st_rdev != wanted:
        raise LaunchFailed("device", errno.ENODEV, f"{device.path} is another node on this host")
