"""Reads an OCI runtime spec (config.json) into a plan, once, before anything is built.

What this version does not do is refused by name, never passed over: a filter or a limit that is
silently absent is worse than an error. https://github.com/opencontainers/runtime-spec
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from typing import Any, Final, cast

from ptylaunch import overlay as overlays
from ptylaunch import syscall as sc
from ptylaunch.clock import read_offsets
from ptylaunch.errors import LaunchFailed
from ptylaunch.hook import read_hooks
from ptylaunch.namespace import maps_at
from ptylaunch.options import parse_options, propagation_of
from ptylaunch.plan import Device, IdRange, Mount, Plan
from ptylaunch.programspec import grant, read_program
from ptylaunch.resources import read_cgroups_path, read_limits
from ptylaunch.target import KINDS
from ptylaunch.value import absolute_at as _absolute
from ptylaunch.value import as_dict as _as_dict
from ptylaunch.value import bad as _bad
from ptylaunch.value import bool_at as _bool
from ptylaunch.value import dict_at as _dict
from ptylaunch.value import int_at as _int
from ptylaunch.value import list_at as _list
from ptylaunch.value import str_at as _str
from ptylaunch.value import strings_at as _strings

INIT_ANNOTATION: Final = "org.ptyd.init"

NAMESPACES: Final = {
    "user": sc.CLONE_NEWUSER,
    "mount": sc.CLONE_NEWNS,
    "pid": sc.CLONE_NEWPID,
    "uts": sc.CLONE_NEWUTS,
    "ipc": sc.CLONE_NEWIPC,
    "network": sc.CLONE_NEWNET,
    "cgroup": sc.CLONE_NEWCGROUP,
    "time": sc.CLONE_NEWTIME,
}

_FILES: Final = {flag: name for name, flag in KINDS}

_UNSUPPORTED: Final = (
    ("process", "apparmorProfile"),
    ("process", "selinuxLabel"),
    ("linux", "intelRdt"),
    ("linux", "mountLabel"),
    ("linux", "memoryPolicy"),
    ("linux", "netDevices"),
    ("process", "execCPUAffinity"),
    ("process", "commandLine"),
    *((platform,) for platform in ("solaris", "windows", "vm", "zos", "freebsd")),
)

_DEVICE_KINDS: Final = {
    "c": stat.S_IFCHR,
    "u": stat.S_IFCHR,
    "b": stat.S_IFBLK,
    "p": stat.S_IFIFO,
}

_IPC_SYSCTLS: Final = frozenset(
    f"kernel.{name}" for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni")
) | {"kernel.shm_rmid_forced"}


def read_plan(spec: dict[str, Any], bundle: str) -> Plan:
    """Check ``spec`` and resolve its relative paths at ``bundle``; LaunchFailed("spec", …)."""
    if not _str(spec, "ociVersion", "ociVersion").startswith("1."):
        raise _bad(f"ociVersion {spec['ociVersion']} is not supported")
    _refuse_unsupported(spec)
    linux = _dict(spec, "linux", "linux")
    namespaces, joined = _namespaces(linux)
    uid_map, gid_map = _id_maps(linux, namespaces, dict(joined).get(sc.CLONE_NEWUSER))
    root = _dict(spec, "root", "root")
    bundle = os.path.abspath(bundle)
    mounts = tuple(
        _mount(entry, f"mounts[{index}]", bundle, uid_map, gid_map)
        for index, entry in enumerate(_list(spec, "mounts", "mounts"))
    )
    program = read_program(_dict(spec, "process", "process"), linux)
    annotations = _dict(spec, "annotations", "annotations")
    if not all(isinstance(value, str) for value in annotations.values()):
        raise _bad("annotations must be strings")
    init = annotations.get(INIT_ANNOTATION) == "true"
    if init and not namespaces & sc.CLONE_NEWPID:
        raise _bad(f"{INIT_ANNOTATION} wants a pid namespace")
    own = namespaces | _not_ours(joined)
    program = grant(program, in_user_namespace=bool(own & sc.CLONE_NEWUSER))
    sysctl = _sysctl(linux, own)
    domainname = _own_name(spec, "domainname", own)
    if domainname and dict(sysctl).get("kernel/domainname", domainname) != domainname:
        raise _bad("linux.sysctl: kernel.domainname is not domainname")
    return Plan(
        root=_root(bundle, _str(root, "path", "root.path")),
        root_readonly=_bool(root, "readonly", "root.readonly"),
        propagation=_propagation(linux),
        namespaces=namespaces,
        joined=joined,
        uid_map=uid_map,
        gid_map=gid_map,
        mounts=mounts,
        devices=tuple(
            _device(entry, f"linux.devices[{index}]")
            for index, entry in enumerate(_list(linux, "devices", "linux.devices"))
        ),
        masked=_paths(linux, "maskedPaths"),
        readonly=_paths(linux, "readonlyPaths"),
        sysctl=sysctl,
        time_offsets=read_offsets(linux, own=bool(namespaces & sc.CLONE_NEWTIME)),
        hostname=_own_name(spec, "hostname", own),
        domainname=domainname,
        init=init,
        hooks=read_hooks(spec),
        cgroups_path=read_cgroups_path(spec),
        resources=read_limits(spec),
        program=program,
    )


def read_id_maps(spec: dict[str, Any]) -> tuple[tuple[IdRange, ...], tuple[IdRange, ...]]:
    """Return the maps of uids and gids alone; LaunchFailed("spec", …)."""
    linux = _dict(spec, "linux", "linux")
    namespaces, joined = _namespaces(linux)
    return _id_maps(linux, namespaces, dict(joined).get(sc.CLONE_NEWUSER))


def _root(bundle: str, path: str) -> str:
    """Return where the root is; a link in the bundle must not make it something else's."""
    place = os.path.join(bundle, path)
    inside = os.path.normpath(place).startswith(bundle.rstrip("/") + "/")
    if not inside:
        return place
    try:
        real = os.path.realpath(bundle, strict=True).rstrip("/") + "/"
        target = os.path.realpath(place, strict=True)
    except FileNotFoundError:
        return place  # who opens it says so
    except OSError as error:
        raise LaunchFailed("root", error.errno or errno.EIO, place) from error
    if not target.startswith(real):
        raise _bad(f"root.path {path!r}: a link leads out of the bundle")
    return place


def _refuse_unsupported(spec: dict[str, Any]) -> None:
    for path in _UNSUPPORTED:
        value: Any = spec
        for key in path:
            value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
        if value:
            raise _bad(f"{'.'.join(path)} is not supported yet")


def _namespaces(linux: dict[str, Any]) -> tuple[int, tuple[tuple[int, str], ...]]:
    """Return the flags of those to be made, and flag and path of those that are there."""
    flags = 0
    joined: dict[int, str] = {}
    for index, entry in enumerate(_list(linux, "namespaces", "linux.namespaces")):
        where = f"linux.namespaces[{index}]"
        kind = _str(_as_dict(entry, where), "type", where + ".type")
        if kind not in NAMESPACES:
            raise _bad(f"{where}.type {kind!r} is not supported")
        flag = NAMESPACES[kind]
        if flags & flag or flag in joined:
            raise _bad(f"{where}: a second {kind} namespace")
        if not entry.get("path"):
            flags |= flag
        elif flag == sc.CLONE_NEWNS:  # the root is put together in one of its own
            raise _bad(f"{where}.path is not supported for {kind} namespaces")
        else:
            path = joined[flag] = _absolute(entry, "path", where + ".path")
            if flag == sc.CLONE_NEWUSER and not _not_ours(((flag, path),)) and os.path.exists(path):
                del joined[flag]  # to enter one's own is an error (setns(2))
    if not flags & sc.CLONE_NEWNS:
        raise _bad("linux.namespaces must have a mount namespace")
    return flags, tuple(joined.items())


def _not_ours(joined: tuple[tuple[int, str], ...]) -> int:
    """Return the flags of those that are there and are not the caller's own: the host's."""
    flags = 0
    for flag, path in joined:
        try:
            ours = os.path.samestat(os.stat(path), os.stat(f"/proc/self/ns/{_FILES[flag]}"))
        except OSError:
            continue  # joining it will tell
        flags |= 0 if ours else flag
    return flags


def _id_maps(
    linux: dict[str, Any], namespaces: int, joined: str | None
) -> tuple[tuple[IdRange, ...], tuple[IdRange, ...]]:
    """Return those of the box; a user namespace that is there has its own, whatever is asked."""
    if joined is not None:
        return maps_at(joined)
    return _id_map(linux, "uidMappings", namespaces), _id_map(linux, "gidMappings", namespaces)


def _id_map(linux: dict[str, Any], key: str, namespaces: int) -> tuple[IdRange, ...]:
    where = f"linux.{key}"
    entries = _list(linux, key, where)
    if not namespaces & sc.CLONE_NEWUSER:
        if entries:
            raise _bad(f"{where} wants a user namespace")
        return ()
    ranges = tuple(_id_range(entry, f"{where}[{n}]") for n, entry in enumerate(entries))
    if not any(part.inside == 0 and part.size for part in ranges):
        raise _bad(f"{where} must map id 0 of the box")
    return ranges


def _id_range(entry: object, where: str) -> IdRange:
    fields = _as_dict(entry, where)
    return IdRange(
        _int(fields, "containerID", where + ".containerID"),
        _int(fields, "hostID", where + ".hostID"),
        _int(fields, "size", where + ".size"),
    )


def _mount(
    entry: object,
    where: str,
    bundle: str,
    uid_map: tuple[IdRange, ...],
    gid_map: tuple[IdRange, ...],
) -> Mount:
    fields = _as_dict(entry, where)
    options = parse_options(_strings(fields, "options", where + ".options"))
    kind = _str(fields, "type", where + ".type", "")
    bind = options.bind or kind == "bind"
    source = _str(fields, "source", where + ".source", "")
    own_maps = _own_maps(fields, where, (uid_map, gid_map))
    idmap = options.idmap or bool(fields.get("uidMappings"))
    overlay = kind == overlays.KIND and not bind
    if idmap and not ((bind or overlay) and (uid_map or own_maps)):
        raise _bad(
            f"{where}: an idmapped mount wants a bind or overlay, and a user namespace or maps"
        )
    if not bind and not kind:
        raise _bad(f"{where}.type is missing")
    if options.copy_up and kind != "tmpfs":
        raise _bad(f"{where}.options: tmpcopyup is for tmpfs")
    if kind in ("cgroup", "cgroup2") and options.data:
        raise _bad(f"{where}.options: {options.data} is not supported for {kind}")
    # config.md, "Mounts": a relative one, of old tools, is relative to "/".
    target = "/" + _str(fields, "destination", where + ".destination").lstrip("/")
    if target == "/" and not (where == "mounts[0]" and (bind or overlay)):
        raise _bad(f"{where}: only the first mount may be the root, a bind or an overlay")
    layers, data = None, options.data
    if overlay:
        layers, data = overlays.read_layers(data, bundle, where)
    return Mount(
        target=target,
        kind="bind" if bind else kind,
        source=os.path.join(bundle, source) if bind else source or kind,
        bind=bind,
        recursive=options.recursive,
        flags=options.flags,
        attrs=options.attrs,
        propagation=options.propagation,
        idmap=idmap,
        idmap_all=options.idmap_all,
        own_maps=own_maps,
        copy_up=options.copy_up,
        data=data,
        layers=layers,
    )


def _own_maps(
    fields: dict[str, Any], where: str, box: tuple[tuple[IdRange, ...], tuple[IdRange, ...]]
) -> tuple[tuple[IdRange, ...], tuple[IdRange, ...]] | None:
    """Return the maps of one mount, None when they are those of the box or there are none."""
    keys = ("uidMappings", "gidMappings")
    lists = [_list(fields, key, f"{where}.{key}") for key in keys]
    if not any(lists):
        return None
    if not all(lists):
        raise _bad(f"{where}: uidMappings and gidMappings go together")
    uids, gids = (
        tuple(_id_range(part, f"{where}.{key}") for part in parts)
        for key, parts in zip(keys, lists, strict=True)
    )
    return None if (uids, gids) == box else (uids, gids)


def _device(entry: object, where: str) -> Device:
    fields = _as_dict(entry, where)
    kind = _str(fields, "type", where + ".type")
    if kind not in _DEVICE_KINDS:
        raise _bad(f"{where}.type {kind!r} is not supported")
    numbers = (0, 0) if kind == "p" else (None, None)
    major, minor = (
        _int(fields, key, f"{where}.{key}", number)
        for key, number in zip(("major", "minor"), numbers, strict=True)
    )
    path = _absolute(fields, "path", where + ".path").rstrip("/")
    if ".." in path.split("/") or not path:
        raise _bad(f"{where}.path must name a file")
    return Device(
        path,
        _DEVICE_KINDS[kind],
        major,
        minor,
        _int(fields, "fileMode", where + ".fileMode", 0o666) & 0o7777,
        _int(fields, "uid", where + ".uid", 0),
        _int(fields, "gid", where + ".gid", 0),
    )


def _sysctl(linux: dict[str, Any], namespaces: int) -> tuple[tuple[str, str], ...]:
    """Only those that a namespace of the box's own holds (runc has the same list)."""
    settings = _dict(linux, "sysctl", "linux.sysctl")
    for name, value in settings.items():
        dotted = name.replace("/", ".")
        owner = (
            sc.CLONE_NEWIPC if dotted in _IPC_SYSCTLS or dotted.startswith("fs.mqueue.")
            else sc.CLONE_NEWNET if dotted.startswith("net.")
            else sc.CLONE_NEWUTS if dotted == "kernel.domainname"
            else 0
        )  # fmt: skip
        if not namespaces & owner or ".." in dotted or not isinstance(value, str):
            raise _bad(f"linux.sysctl: {name} does not belong to a namespace of the box")
    return tuple((name.replace(".", "/"), value) for name, value in settings.items())


def _propagation(linux: dict[str, Any]) -> int:
    word = _str(linux, "rootfsPropagation", "linux.rootfsPropagation", "private")
    flag = propagation_of(word)
    if flag is None:
        raise _bad(f"linux.rootfsPropagation {word!r} is not supported")
    if flag == sc.MS_PRIVATE:
        return 0  # it is so from the beginning
    return flag | (sc.MS_REC if word.startswith("r") else 0)


def _own_name(spec: dict[str, Any], key: str, namespaces: int) -> str:
    name = _str(spec, key, key, "")
    if name and not namespaces & sc.CLONE_NEWUTS:
        raise _bad(f"{key} wants a uts namespace")
    return name


def _paths(linux: dict[str, Any], key: str) -> tuple[str, ...]:
    return tuple(posixpath.normpath(p) for p in _strings(linux, key, f"linux.{key}"))
