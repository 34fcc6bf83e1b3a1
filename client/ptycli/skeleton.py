"""The root of the image ``host``: empty folders, a generated /etc, and mount targets.

What is inside is chosen, not what is hidden: the host's /usr and a few trees of /etc are mounted
read-only by the spec (:func:`host_trees`), a few small files are copied, all of them readable by
everybody on the host; nothing else of the host exists.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MERGED: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Top folders that are links into /usr on a merged host (file-hierarchy(7))."""

_ETC_TREES: Final = ("/etc/alternatives", "/etc/ssl/certs", "/etc/pki/tls/certs",
                     "/etc/pki/ca-trust/extracted", "/etc/ca-certificates",
                     "/etc/crypto-policies")  # fmt: skip

_FOLDERS: Final = {
    "dev": 0o755, "etc": 0o755, "home": 0o755, "mnt": 0o755, "opt": 0o755, "proc": 0o555,
    "root": 0o700, "run": 0o755, "srv": 0o755, "sys": 0o555, "tmp": 0o1777, "usr": 0o755,
    "var": 0o755, "var/cache": 0o755, "var/lib": 0o755, "var/log": 0o755, "var/spool": 0o755,
    "var/tmp": 0o1777,
}  # fmt: skip

_COPIED: Final = (
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "bash.bashrc", "bashrc", "profile", "inputrc",
    "debian_version", "os-release", "redhat-release", "python3", "python3.11", "python3.12",
    "python3.13", "terminfo", "ca-certificates.conf", "ssl/openssl.cnf", "services", "protocols",
    "timezone", "locale.conf", "mime.types",
)  # fmt: skip

_COPY_LIMIT: Final = 4 << 20
"""Bytes; a larger file is left out (ld.so.cache is the largest, below 1 MiB)."""

_USERS: Final = """\
root:x:0:0:root:/root:{shell}
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_GROUP: Final = """\
root:x:0:
daemon:x:1:
tty:x:5:
users:x:100:
nogroup:x:65534:
"""
_HOSTS: Final = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
127.0.1.1\t{hostname}
"""
_NSSWITCH: Final = """\
passwd: files
group: files
shadow: files
hosts: files dns
networks: files
protocols: files
services: files
"""


def host_trees() -> list[str]:
    """Return the folders of this host that a box of image ``host`` shows, read-only."""
    unmerged = [f"/{name}" for name in _MERGED if _is_real_folder(f"/{name}")]
    return ["/usr", *unmerged, *filter(_is_real_folder, _ETC_TREES)]


def build_skeleton(
    rootfs: str, *, hostname: str, binds: Sequence[str] = (), owner: tuple[int, int] | None = None
) -> None:
    """Make the root in the new folder ``rootfs``.

    ``binds`` are targets of volumes, as absolute paths; one that ends in ``/`` is a folder, else a
    file. ``owner`` is the host's (uid, gid) of the box's root, who then owns everything.
    """
    umask = os.umask(0o022)  # the caller's is its own business, here other ids must read
    try:
        made = _make_all(rootfs, hostname, binds)
    finally:
        os.umask(umask)
    if owner is not None:
        for path in made:
            os.chown(path, *owner, follow_symlinks=False)


def _make_all(rootfs: str, hostname: str, binds: Sequence[str]) -> list[str]:
    """Make everything and return its paths."""
    os.makedirs(rootfs, mode=0o755, exist_ok=True)
    made = [rootfs]
    for name, mode in _FOLDERS.items():
        made += _make_folder(rootfs, name)
        os.chmod(os.path.join(rootfs, name), mode)
    made += _link_merged(rootfs)
    for name, target in (
        ("var/run", "/run"),
        ("var/lock", "/run/lock"),
        ("etc/mtab", "/proc/mounts"),
    ):
        made.append(_link(target, os.path.join(rootfs, name)))
    made += _write_etc(rootfs, hostname)
    for name in _COPIED:
        made += _copy("/etc/" + name, rootfs, "etc/" + name)
    made += _link_localtime(rootfs)
    for tree in host_trees():
        made += _make_folder(rootfs, tree[1:])
    for target in binds:
        made += _make_target(rootfs, target)
    return made


def _is_real_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _make_folder(rootfs: str, name: str) -> list[str]:
    """Make a folder and those above it; return the new ones."""
    made: list[str] = []
    path = rootfs
    for part in name.strip("/").split("/"):
        path = os.path.join(path, part)
        try:
            os.mkdir(path, 0o755)
        except FileExistsError:
            continue
        made.append(path)
    return made


def _make_target(rootfs: str, target: str) -> list[str]:
    if target.endswith("/"):
        return _make_folder(rootfs, target)
    parent, _, name = target.strip("/").rpartition("/")
    made = _make_folder(rootfs, parent) if parent else []
    path = os.path.join(rootfs, parent, name)
    if not os.path.lexists(path):
        made.append(_write(path, b""))
    return made


def _link(target: str, path: str) -> str:
    os.symlink(target, path)
    return path


def _link_merged(rootfs: str) -> list[str]:
    made: list[str] = []
    for name in _MERGED:
        try:
            made.append(_link(os.readlink(f"/{name}"), os.path.join(rootfs, name)))
        except OSError:
            continue  # not on this host, or a folder of its own: then it is mounted
    return made


def _write(path: str, data: bytes) -> str:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        while data:
            data = data[os.write(fd, data) :]
    finally:
        os.close(fd)
    return path


def _write_etc(rootfs: str, hostname: str) -> list[str]:
    shell = "/bin/bash" if os.access("/bin/bash", os.X_OK) else "/bin/sh"
    files = {
        "passwd": _USERS.format(shell=shell),
        "group": _GROUP,
        "hosts": _HOSTS.format(hostname=hostname),
        "hostname": hostname + "\n",
        "nsswitch.conf": _NSSWITCH,
        "resolv.conf": "",
        "shells": f"/bin/sh\n{shell}\n",
        "host.conf": "multi on\n",
    }
    etc = os.path.join(rootfs, "etc")
    return [_write(os.path.join(etc, name), text.encode()) for name, text in files.items()]


def _copy(source: str, rootfs: str, name: str) -> list[str]:
    """Copy a file or a small tree, as far as everybody may read it; return what was made."""
    target = os.path.join(rootfs, name)
    try:
        status = os.lstat(source)
    except OSError:
        return []
    if stat.S_ISLNK(status.st_mode):
        link = os.readlink(source)
        inside = os.path.normpath(os.path.join(os.path.dirname(source), link))
        if inside.startswith("/usr/"):  # it is there inside as well
            return [*_make_folder(rootfs, os.path.dirname(name)), _link(link, target)]
        try:
            status = os.stat(source)
        except OSError:
            return []
    if not status.st_mode & stat.S_IROTH:
        return []
    if stat.S_ISDIR(status.st_mode):
        made = _make_folder(rootfs, name)
        for entry in sorted(os.listdir(source)):
            made += _copy(f"{source}/{entry}", rootfs, f"{name}/{entry}")
        return made
    if not stat.S_ISREG(status.st_mode) or status.st_size > _COPY_LIMIT:
        return []
    with open(source, "rb") as file:
        data = file.read(_COPY_LIMIT)
    return [*_make_folder(rootfs, os.path.dirname(name)), _write(target, data)]


def _link_localtime(rootfs: str) -> list[str]:
    """Give the box the host's time zone: a link into /usr/share/zoneinfo, or the file itself."""
    path = os.path.realpath("/etc/localtime")
    target = os.path.join(rootfs, "etc/localtime")
    if path.startswith("/usr/share/zoneinfo/"):
        return [_link(path, target)]
    return _copy(path, rootfs, "etc/localtime")
