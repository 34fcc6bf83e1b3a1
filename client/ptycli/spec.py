"""Makes the OCI runtime spec (config.json) of a box from what the user asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptycli.mount import by_depth
from ptycli.privilege import Privileges
from ptycli.root import host_root
from ptycli.user import ROOT
from ptykeep.state import INIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ptycli.idmap import IdMaps
    from ptycli.mount import Tmpfs, Volume
    from ptycli.root import Root
    from ptylaunch.account import Account
    from ptylaunch.plan import IdRange

HOME: Final = "/root"
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

MASKED: Final = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
"""moby's list; the thermal_throttle folders, one a CPU, come on top."""

_MASKED_HOST_SYS: Final = (
    "/sys/fs/bpf",
    "/sys/fs/cgroup",
    "/sys/fs/pstore",
    "/sys/fs/selinux",
    "/sys/kernel/debug",
    "/sys/kernel/security",
    "/sys/kernel/tracing",
)
"""Without an own network namespace /sys is the host's with everything mounted below it."""

READONLY: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_TERMINALS: Final = "max=1024"
"""A box may not take all of the 4096 that there are (kernel.pty.max), or the next has none."""

_TMPFS: Final = (
    ("/tmp", 0o1777, "512m"),  # noqa: S108 - a path of the box
    ("/run", 0o755, "64m"),
    ("/root", 0o700, "512m"),
    ("/home", 0o755, "512m"),
    ("/var/tmp", 0o1777, "512m"),  # noqa: S108 - the same
)


class BoxOptions(NamedTuple):
    """What ``run`` was asked for; entries of ``env`` are ``K=V``, or ``K`` to copy it from us."""

    args: Sequence[str]
    maps: IdMaps
    hostname: str
    env: Sequence[str] = ()
    env_files: Sequence[str] = ()
    cwd: str | None = None
    tty: bool = False
    rows: int = 0
    cols: int = 0
    volumes: Sequence[Volume | Tmpfs] = ()
    readonly: bool = False
    """Also what else is memory: /tmp, /run and the homes."""
    shm_size: int = 64 << 20
    """Bytes of /dev/shm."""
    user: Account = ROOT
    privileges: Privileges = Privileges()
    init: bool = True
    network: str = "none"
    resources: Mapping[str, Any] = {}
    """OCI's ``linux.resources``."""
    cgroups_path: str = ""
    annotations: Mapping[str, str] = {}
    root: Root | None = None
    """None: :func:`ptycli.root.host_root`."""
    image_env: Sequence[str] = ()
    """``K=V``, from an image: before what the user asks for."""


def make_spec(options: BoxOptions, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return config.json; ``environ`` is what bare names in ``env`` are copied from (ours)."""
    own_network = options.network != "host"
    root = options.root or host_root()
    env = _merge_env(options, os.environ if environ is None else environ)
    kinds = ["user", "mount", "pid", "uts", "ipc", "cgroup"] + ["network"] * own_network
    process: dict[str, Any] = {
        "terminal": options.tty,
        "user": {
            "uid": options.user.uid,
            "gid": options.user.gid,
            "additionalGids": list(options.user.groups),
        },
        "args": list(options.args),
        "env": [f"{key}={value}" for key, value in env.items()],
        # A home that passwd names need not be there: only that of our root is ours to promise.
        "cwd": options.cwd or ("/" if options.user.uid or root.own else env.get("HOME") or HOME),
        **options.privileges.process(),
    }
    if options.tty:
        process["consoleSize"] = {"height": options.rows, "width": options.cols}
    return {
        "ociVersion": "1.2.0",
        "process": process,
        "root": {"path": "bundle/rootfs", "readonly": root.readonly},
        "hostname": options.hostname,
        "mounts": [
            *root.mounts,
            *_base_mounts(options, memory=not root.own),
            *(each.mount(rooted=options.maps.rooted) for each in by_depth(options.volumes)),
        ],
        "annotations": {
            **({INIT: "true"} if options.init else {}),
            **options.annotations,
        },
        "linux": {
            "namespaces": [{"type": kind} for kind in kinds],
            "uidMappings": _mappings(options.maps.uids),
            "gidMappings": _mappings(options.maps.gids),
            **options.privileges.linux(),
            "maskedPaths": [
                *((*MASKED, *_thermal()) if options.privileges.masked else ()),
                *(() if own_network else _MASKED_HOST_SYS),
            ],
            "readonlyPaths": list(READONLY) if options.privileges.masked else [],
            "resources": dict(options.resources),
            **({"cgroupsPath": options.cgroups_path} if options.cgroups_path else {}),
        },
    }


def read_env_file(path: str) -> list[str]:
    """Read docker's --env-file: ``K=V`` as it stands, without quotes, or ``K`` to copy.

    OSError when it cannot be read, ValueError with a line for the user when it is malformed.
    """
    with open(path, "rb") as file:
        data = file.read()
    entries: list[str] = []
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            line = raw.decode().removesuffix("\r").lstrip()
        except UnicodeDecodeError:
            raise ValueError(f"{path}:{number}: not UTF-8") from None
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not name or any(char.isspace() for char in name) or "\0" in line:
            raise ValueError(f"{path}:{number}: {name!r} is no name of a variable")
        entries.append(name + equals + value)
    return entries


def _merge_env(options: BoxOptions, environ: Mapping[str, str]) -> dict[str, str]:
    env = {"PATH": PATH, "HOSTNAME": options.hostname, "HOME": options.user.home}
    if options.root is None or not options.root.own:
        env["LANG"] = "C.UTF-8"
    env["TERM"] = "xterm-256color"
    env |= dict(entry.split("=", 1) for entry in options.image_env)
    return env | asked_env(options.env, options.env_files, environ)


def asked_env(
    entries: Sequence[str], files: Sequence[str], environ: Mapping[str, str]
) -> dict[str, str]:
    """Return what ``-e`` and ``--env-file`` ask for; ValueError with a line for the user."""
    env: dict[str, str] = {}
    asked = [entry for path in files for entry in read_env_file(path)]
    for entry in (*asked, *entries):
        name, equals, value = entry.partition("=")
        if not name or "\0" in entry:
            raise ValueError(f"environment {entry!r}: it looks like NAME=VALUE or NAME")
        if equals:
            env[name] = value
        elif name in environ:
            env[name] = environ[name]
    return env


def _base_mounts(options: BoxOptions, *, memory: bool) -> list[dict[str, Any]]:
    """Return what every box has; ``memory``: with its homes and /tmp in memory."""
    own_network = options.network != "host"
    covered = {each.target for each in options.volumes}
    kernel = ["nosuid", "noexec", "nodev"]
    mounts = [
        _mount("/proc", "proc", kernel),
        _mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=64k"]),
        _mount(
            "/dev/pts",
            "devpts",
            ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5", _TERMINALS],
        ),
        _mount("/dev/shm", "tmpfs", [*kernel, "mode=1777", f"size={options.shm_size}"]),  # noqa: S108
        _mount("/dev/mqueue", "mqueue", kernel),
        # A sysfs of its own wants the box's own network namespace (sysfs(5)).
        _mount("/sys", "sysfs", [*kernel, "ro" if options.privileges.masked else "rw"])
        if own_network
        else _bind("/sys", "/sys", ["rbind", *kernel, "ro"]),
    ]
    mounts += [
        _mount(target, "tmpfs", ["nosuid", "nodev", f"mode={mode:o}", f"size={size}"])
        for target, mode, size in _TMPFS
        if memory and not options.readonly and target not in covered
    ]
    return mounts


def _mount(target: str, kind: str, options: list[str]) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": kind, "options": options}


def _bind(source: str, target: str, options: list[str]) -> dict[str, Any]:
    return {"destination": target, "type": "bind", "source": source, "options": options}


def _mappings(ranges: Sequence[IdRange]) -> list[dict[str, int]]:
    return [
        {"containerID": part.inside, "hostID": part.outside, "size": part.size} for part in ranges
    ]


def _thermal() -> list[str]:
    """One folder a CPU (GHSA-6fw5-f8r9-fgfm); the launcher passes over those that do not exist."""
    return [
        f"/sys/devices/system/cpu/cpu{number}/thermal_throttle"
        for number in range(os.cpu_count() or 0)
    ]
