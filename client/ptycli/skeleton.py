"""The root of the image ``host``: empty folders, a generated /etc, and mount targets.

What is inside is chosen, not what is hidden: the host's /usr and a few trees of /etc are mounted
read-only by the spec (:func:`host_trees`), a few small files are copied, all of them readable by
everybody on the host; nothing else of the host exists.

Everything is made through :class:`ptylaunch.rootfs.Rootfs`: root calls this, and an absolute link
of the skeleton, followed from outside, leads into the host. So links are relative, too.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from ptylaunch.rootfs import Rootfs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

_PACKAGES: Final = ("apt", "debconf.conf", "dpkg", "dnf", "pki/rpm-gpg", "yum.repos.d")
"""What package managers want of /etc, for a box whose programs may be changed."""

_FIRST_PERSON: Final = 1000
"""Ids below are the system's (login.defs(5), UID_MIN)."""

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
    rootfs: str,
    *,
    etc: Mapping[str, str],
    binds: Sequence[str] = (),
    owner: tuple[int, int] | None = None,
    packages: bool = False,
) -> None:
    """Make the root in the new folder ``rootfs``.

    ``etc`` are texts of files in /etc by name (:func:`ptycli.network.etc_files`).
    ``binds`` are targets of volumes, as absolute paths; one that ends in ``/`` is a folder, else a
    file. ``owner`` is the host's (uid, gid) of the box's root, who then owns everything.
    ``packages``: with what package managers want.
    """
    umask = os.umask(0o022)  # the caller's is its own business, here other ids must read
    try:
        os.makedirs(rootfs, mode=0o755, exist_ok=True)
        root = Rootfs(os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        try:
            _make_all(root, rootfs, {**_accounts(), **etc} if packages else etc, binds)
            for name in _PACKAGES if packages else ():
                _copy(root, "/etc/" + name, "etc/" + name)
        finally:
            os.close(root.fd)
    finally:
        os.umask(umask)
    if owner is not None:
        _give(rootfs, owner)


def _make_all(root: Rootfs, rootfs: str, etc: Mapping[str, str], binds: Sequence[str]) -> None:
    for name, mode in _FOLDERS.items():
        _make_folder(root, name)
        os.chmod(os.path.join(rootfs, name), mode)  # no link is there yet
    _link_merged(root)
    for name, target in (
        ("var/run", "/run"),
        ("var/lock", "/run/lock"),
        ("etc/mtab", "/proc/mounts"),
    ):
        _link(root, target, name)
    _write_etc(root, etc)
    for name in _COPIED:
        _copy(root, "/etc/" + name, "etc/" + name)
    _link_localtime(root)
    for tree in host_trees():
        _make_folder(root, tree)
    for target in binds:
        os.close(root.make_directory(target) if target.endswith("/") else root.make_file(target))


def _give(rootfs: str, owner: tuple[int, int]) -> None:
    os.chown(rootfs, *owner, follow_symlinks=False)
    for _, folders, files, folder_fd in os.fwalk(rootfs):
        for name in (*folders, *files):
            os.chown(name, *owner, dir_fd=folder_fd, follow_symlinks=False)


def _is_real_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _make_folder(root: Rootfs, name: str) -> None:
    """Make a folder and those above it."""
    os.close(root.make_directory("/" + name.strip("/")))


def _link(root: Rootfs, target: str, name: str) -> None:
    """Make a relative link to ``target``, an absolute path of the box."""
    folder, _, last = name.rpartition("/")
    folder_fd = root.make_directory("/" + folder)
    try:
        os.symlink(os.path.relpath(target, "/" + folder), last, dir_fd=folder_fd)
    finally:
        os.close(folder_fd)


def _link_merged(root: Rootfs) -> None:
    for name in _MERGED:
        try:
            target = os.readlink(f"/{name}")
        except OSError:
            continue  # not on this host, or a folder of its own: then it is mounted
        _link(root, os.path.join("/", target), name)


def _write(root: Rootfs, name: str, data: bytes) -> None:
    """Write a new file."""
    folder, _, last = name.rpartition("/")
    folder_fd = root.make_directory("/" + folder)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(last, flags, 0o644, dir_fd=folder_fd)
    finally:
        os.close(folder_fd)
    with open(fd, "wb") as file:
        file.write(data)


def _accounts() -> dict[str, str]:
    """Return passwd and group with the system's own accounts, which packages go by; no person's."""
    found: dict[str, str] = {}
    for name, ours in (("passwd", _USERS.format(shell=_shell())), ("group", _GROUP)):
        lines = [line.split(":") for line in ours.splitlines()]
        with open(f"/etc/{name}", encoding="utf-8", errors="replace") as file:
            for line in file:
                entry = line.rstrip("\n").split(":")
                system = len(entry) > 3 and entry[2].isdecimal() and int(entry[2]) < _FIRST_PERSON
                if system and all(entry[0] != other[0] for other in lines):
                    lines.append(entry if name == "passwd" else [*entry[:3], ""])
        found[name] = "".join(":".join(entry) + "\n" for entry in lines)
    return found


def _shell() -> str:
    return "/bin/bash" if os.access("/bin/bash", os.X_OK) else "/bin/sh"


def _write_etc(root: Rootfs, etc: Mapping[str, str]) -> None:
    files = {
        "passwd": _USERS.format(shell=_shell()),
        "group": _GROUP,
        "nsswitch.conf": _NSSWITCH,
        "shells": f"/bin/sh\n{_shell()}\n",
        "host.conf": "multi on\n",
        **etc,
    }
    for name, text in files.items():
        _write(root, "etc/" + name, text.encode())


def _copy(root: Rootfs, source: str, name: str) -> None:
    """Copy a file or a small tree, as far as everybody may read it."""
    try:
        status = os.lstat(source)
    except OSError:
        return
    if stat.S_ISLNK(status.st_mode):
        inside = os.path.normpath(os.path.join(os.path.dirname(source), os.readlink(source)))
        if inside.startswith("/usr/"):  # it is there inside as well
            _link(root, inside, name)
            return
        try:
            status = os.stat(source)
        except OSError:
            return
    if not status.st_mode & stat.S_IROTH:
        return
    if stat.S_ISDIR(status.st_mode):
        _make_folder(root, name)
        for entry in sorted(os.listdir(source)):
            _copy(root, f"{source}/{entry}", f"{name}/{entry}")
    elif stat.S_ISREG(status.st_mode) and status.st_size <= _COPY_LIMIT:
        with open(source, "rb") as file:
            data = file.read(_COPY_LIMIT)
        _write(root, name, data)


def _link_localtime(root: Rootfs) -> None:
    """Give the box the host's time zone: a link into /usr/share/zoneinfo, or the file itself."""
    path = os.path.realpath("/etc/localtime")
    if path.startswith("/usr/share/zoneinfo/"):
        _link(root, path, "etc/localtime")
    else:
        _copy(root, path, "etc/localtime")
