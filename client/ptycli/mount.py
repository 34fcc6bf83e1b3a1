"""What a box sees of the host and of memory: ``-v``, ``--mount``, ``--tmpfs``, ``--device``."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptycli.arguments import Failure, size_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_VOLUME_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

_TMPFS: Final = ("nosuid", "nodev", "noexec")
"""docker's, for ``--tmpfs`` and ``type=tmpfs``; words of the user come behind them, and win."""

_TMPFS_WORD: Final = re.compile(
    r"rw|ro|(no)?(exec|suid|dev|atime|relatime)|(size|nr_inodes|nr_blocks)=[0-9]+[kmgKMG%]?"
    r"|mode=0?[0-7]{1,4}|[ug]id=[0-9]{1,9}"
)
_PROPAGATION: Final = ("private", "rprivate", "slave", "rslave")
_SHORT: Final = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}
_OF_TYPE: Final = {
    "bind": {"readonly", "bind-propagation", "bind-recursive"},
    "tmpfs": {"tmpfs-size", "tmpfs-mode", "readonly"},
    "volume": {"readonly"},
}


class Volume(NamedTuple):
    """A file, folder or device of the host that the box sees at ``target``."""

    source: str
    target: str
    readonly: bool = False
    folder: bool = True
    recursive: bool = True
    propagation: str = ""
    name: str = ""
    """Of a named volume: ``source`` is then only known once it is made."""
    device: bool = False

    @property
    def mount_point(self) -> str:
        """The target as ``build_skeleton`` wants it: a folder ends in ``/``."""
        return self.target + "/" if self.folder else self.target

    def mount(self, *, rooted: bool) -> dict[str, Any]:
        """Return the entry of ``mounts``; ``rooted`` as in :class:`ptycli.idmap.IdMaps`."""
        kind = "rbind" if self.recursive else "bind"
        options = [kind, "nosuid", "ro" if self.readonly else "rw"]
        options += ["noexec"] if self.device else ["nodev"]
        if rooted and not self.device:
            options.append("ridmap" if self.recursive else "idmap")
        if self.propagation:
            options.append(self.propagation)
        return _entry(self.target, "bind", self.source, options)


class Tmpfs(NamedTuple):
    """Memory at ``target``; ``options`` are words of mount(8)."""

    target: str
    options: tuple[str, ...] = ()

    @property
    def mount_point(self) -> str:
        return self.target + "/"

    def mount(self, *, rooted: bool) -> dict[str, Any]:  # noqa: ARG002 - memory has no owner yet
        mode = () if any(word.startswith("mode=") for word in self.options) else ("mode=1777",)
        return _entry(self.target, "tmpfs", "tmpfs", [*_TMPFS, *mode, *self.options])


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-v", "--volume", metavar="SRC:DST[:ro]", action="append", default=[])
    add("--mount", metavar="type=T,…", action="append", default=[],
        help="bind, tmpfs or volume, in docker's words")  # fmt: skip
    add("--tmpfs", metavar="DST[:OPTIONS]", action="append", default=[], help="memory")
    add("--device", metavar="SRC[:DST]", action="append", default=[], help="one of the host's")
    add("--shm-size", metavar="SIZE", default="64m", help="of /dev/shm, default 64m")
    add("--read-only", action="store_true", help="no /tmp, /run and homes in memory either")


def read_options(options: argparse.Namespace) -> list[Volume | Tmpfs]:
    """Return what is to be seen inside; Failure or ValueError with a line for the user."""
    mounts: list[Volume | Tmpfs] = [parse_volume(text) for text in options.volume]
    mounts += [parse_mount(text) for text in options.mount]
    mounts += [parse_tmpfs(text) for text in options.tmpfs]
    mounts += [parse_device(text) for text in options.device]
    targets = [mount.target for mount in mounts]
    for target in targets:
        if targets.count(target) > 1:
            raise Failure(f"two mounts at {target}")
    if size_of(options.shm_size) == 0:
        raise Failure("--shm-size 0: it would have no bound")
    return mounts


def prepare(
    mounts: Sequence[Volume | Tmpfs], data: str, folder: str, owner: tuple[int, int] | None
) -> list[Volume | Tmpfs]:
    """Make what has to be made: named volumes below ``data``, devices of root's in ``folder``.

    ``owner`` is the host's (uid, gid) of the box's root when root makes the box, else None.
    """
    made: list[Volume | Tmpfs] = []
    for mount in mounts:
        if isinstance(mount, Volume) and mount.name:
            made.append(mount._replace(source=_make_volume(data, mount.name)))
        elif isinstance(mount, Volume) and mount.device and owner is not None:
            made.append(_make_device(folder, mount, owner))
        else:
            made.append(mount)
    return made


def by_depth(mounts: Sequence[Volume | Tmpfs]) -> list[Volume | Tmpfs]:
    """Put what lies inside another behind it, as docker does; else the order stays."""
    return sorted(mounts, key=lambda mount: mount.target.count("/"))


def parse_volume(text: str) -> Volume:
    """Read ``SRC:DST[:ro]``; ValueError carries a line for the user."""
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not source or not target:
        raise ValueError(f"volume {text!r}: it looks like SRC:DST or SRC:DST:ro")
    if mode not in ("", "ro", "rw"):
        raise ValueError(f"volume {text!r}: {mode!r} is neither ro nor rw")
    target = _target(target, f"volume {text!r}")
    source, folder = _source(source, f"volume {text!r}")
    return Volume(source, target, readonly=mode == "ro", folder=folder)


def parse_tmpfs(text: str) -> Tmpfs:
    """Read docker's ``--tmpfs DST[:OPTION,…]``."""
    target, _, words = text.partition(":")
    options = tuple(word for word in words.split(",") if word)
    for word in options:
        if not _TMPFS_WORD.fullmatch(word):
            raise ValueError(f"--tmpfs {text}: {word!r} is no option of a tmpfs")
    return Tmpfs(_target(target, f"--tmpfs {text}"), options)


def parse_device(text: str) -> Volume:
    """Read ``SRC[:DST[:rwm]]``: a device of the host."""
    source, _, rest = text.partition(":")
    target, _, access = rest.partition(":")
    if target and set(target) <= set("rwm") and not access:  # docker's SRC:rwm
        target, access = "", target
    where = f"--device {text}"
    if access and set(access) != set("rwm"):
        raise ValueError(f"{where}: only rwm is supported")
    found, folder = _source(source, where)
    if folder or os.path.isfile(found):
        raise ValueError(f"{where}: {found} is no device")
    return Volume(found, _target(target or found, where), folder=False, recursive=False,
                  device=True)  # fmt: skip


def parse_mount(text: str) -> Volume | Tmpfs:
    """Read docker's ``--mount type=bind|tmpfs|volume,…``; without a type it is a volume."""
    where = f"--mount {text}"
    fields: dict[str, str] = {}
    import csv  # for --mount alone

    try:
        words = [word for row in csv.reader([text], strict=True) for word in row]
    except csv.Error as error:
        raise ValueError(f"{where}: {error}") from None
    for word in words:
        key, equals, value = word.partition("=")
        key = _SHORT.get(key, key)
        fields[key] = value if equals or key != "readonly" else "true"
    kind = fields.pop("type", "volume")
    if kind not in _OF_TYPE:
        raise ValueError(f"{where}: the types are bind, tmpfs and volume")
    source, target = fields.pop("source", ""), _target(fields.pop("target", ""), where)
    for key in fields:
        if key not in _OF_TYPE[kind]:
            raise ValueError(f"{where}: {key!r} is not supported for a {kind}")
    readonly = _boolean(fields.get("readonly", "false"), where)
    if kind == "tmpfs":
        if source:
            raise ValueError(f"{where}: a tmpfs has no source")
        return _tmpfs(target, fields, where, readonly=readonly)
    if kind == "volume":
        if not _VOLUME_NAME.fullmatch(source):
            raise ValueError(f"{where}: source must be the name of a volume")
        return Volume("", target, readonly, name=source)
    propagation = fields.get("bind-propagation", "")
    if propagation and propagation not in _PROPAGATION:
        raise ValueError(f"{where}: the propagations are {' '.join(_PROPAGATION)}")
    recursive = fields.get("bind-recursive", "enabled")
    if recursive not in ("enabled", "disabled"):
        raise ValueError(f"{where}: bind-recursive is enabled or disabled")
    place, folder = _source(source, where)
    return Volume(place, target, readonly, folder, recursive == "enabled", propagation)


def _make_volume(data: str, name: str) -> str:
    """Return the folder of a named volume below the state folder, made where it is missing."""
    path = f"{data}/volumes/{name}/_data"
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    try:
        os.mkdir(path)
    except FileExistsError:
        return path
    os.chmod(path, 0o755)  # noqa: S103 - others are others of the box: the folder above is closed
    return path


def _make_device(folder: str, volume: Volume, owner: tuple[int, int]) -> Volume:
    """Make a node of the same device that belongs to the box's root, and return it instead.

    The host's own belongs to ids that the box does not have. Only root can, and does.
    """
    status = os.stat(volume.source)
    if os.statvfs(folder).f_flag & os.ST_NODEV:
        raise ValueError(f"--device {volume.source}: {folder} is on a filesystem without devices")
    path = f"{folder}/device-{os.major(status.st_rdev)}-{os.minor(status.st_rdev)}"
    if not os.path.lexists(path):
        os.mknod(path, status.st_mode, status.st_rdev)
        os.chown(path, *owner)
        os.chmod(path, 0o660)
    return volume._replace(source=path)


def _entry(target: str, kind: str, source: str, options: list[str]) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source, "options": options}


def _target(text: str, where: str) -> str:
    if not text.startswith("/"):
        raise ValueError(f"{where}: {text!r} is not an absolute path")
    target = os.path.normpath("/" + text.lstrip("/"))
    if target == "/" or target.split("/")[1] in ("proc", "sys"):
        raise ValueError(f"{where}: {target} cannot be covered")
    return target


def _source(text: str, where: str) -> tuple[str, bool]:
    """Return the absolute path of what is there, and whether it is a folder."""
    if not text:
        raise ValueError(f"{where}: there is no source")
    source = os.path.abspath(text)
    if not os.path.exists(source):
        raise ValueError(f"{where}: {source} does not exist")
    return source, os.path.isdir(source)


def _boolean(text: str, where: str) -> bool:
    if text not in ("true", "false", "1", "0"):
        raise ValueError(f"{where}: {text!r} is neither true nor false")
    return text in ("true", "1")


def _tmpfs(target: str, fields: dict[str, str], where: str, *, readonly: bool) -> Tmpfs:
    words = [
        f"{name}={fields[key]}"
        for key, name in (("tmpfs-size", "size"), ("tmpfs-mode", "mode"))
        if key in fields
    ]
    for word in words:
        if not _TMPFS_WORD.fullmatch(word):
            raise ValueError(f"{where}: {word!r} is no option of a tmpfs")
    return Tmpfs(target, (*words, *(["ro"] if readonly else [])))
