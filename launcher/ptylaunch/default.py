"""What ``ptylaunch spec`` and ``ptylaunch features`` print."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

from ptylaunch.abi import own_family
from ptylaunch.capability import NUMBERS
from ptylaunch.errors import Refused
from ptylaunch.hierarchy import find_hierarchies
from ptylaunch.hook import KINDS
from ptylaunch.options import known_options
from ptylaunch.policy import ACTIONS, FLAGS, OPERATORS
from ptylaunch.spec import INIT_ANNOTATION, NAMESPACES

if TYPE_CHECKING:
    from argparse import Namespace

OCI_VERSION: Final = "1.3.0"

_CAPABILITIES: Final = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
_KERNEL: Final = ["nosuid", "noexec", "nodev"]
_MASKED: Final = [
    f"/proc/{name}"
    for name in (
        *("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi"),
        *("timer_list", "timer_stats"),
    )
] + ["/sys/devices/virtual/powercap", "/sys/firmware"]
_READONLY: Final = [f"/proc/{name}" for name in ("bus", "fs", "irq", "sys", "sysrq-trigger")]


def write_spec(arguments: Namespace) -> int:
    """The command ``spec``; an existing file is not overwritten."""
    text = json.dumps(default_spec(rootless=arguments.rootless or os.geteuid() != 0), indent=4)
    path = arguments.config or os.path.join(arguments.bundle, "config.json")
    if path == "-":
        print(text)
        return 0
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text + "\n")
    except FileExistsError:
        raise Refused(f"{path} exists already") from None
    return 0


def show_features(_: Namespace) -> int:
    """The command ``features``."""
    print(json.dumps(features(), indent=4))
    return 0


def default_spec(*, rootless: bool) -> dict[str, Any]:
    """Return a config.json that runs ``sh`` in ``rootfs``, for root or for an ordinary user."""
    kinds = ["pid", "network", "ipc", "uts", "mount"]
    if all(each.version == 2 for each in find_hierarchies()):
        kinds.append("cgroup")  # on v1 runc and crun leave it out, and tools count on that
    linux: dict[str, Any] = {"maskedPaths": _MASKED, "readonlyPaths": _READONLY}
    if rootless:
        kinds.append("user")
        for key, number in (("uidMappings", os.geteuid()), ("gidMappings", os.getegid())):
            linux[key] = [{"containerID": 0, "hostID": number, "size": 1}]
    else:
        linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    linux["namespaces"] = [{"type": kind} for kind in kinds]
    return {
        "ociVersion": OCI_VERSION,
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=xterm",
            ],
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), _CAPABILITIES),
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "ptylaunch",
        "mounts": [
            _mount("/proc", "proc", _KERNEL),
            _mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
            _mount(
                "/dev/pts",
                "devpts",
                ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            ),
            _mount("/dev/shm", "tmpfs", [*_KERNEL, "mode=1777", "size=65536k"]),  # noqa: S108
            _mount("/dev/mqueue", "mqueue", _KERNEL),
            _mount("/sys", "sysfs", [*_KERNEL, "ro"]),
            _mount("/sys/fs/cgroup", "cgroup", [*_KERNEL, "relatime", "ro"]),
        ],
        "linux": linux,
    }


def features() -> dict[str, Any]:
    """Return what this runtime can do (runtime-spec, features.md)."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI_VERSION,
        "hooks": list(KINDS),
        "mountOptions": sorted(known_options()),
        "linux": {
            "namespaces": sorted(NAMESPACES),
            "capabilities": sorted(NUMBERS),
            "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False},
            "seccomp": {
                "enabled": bool(own_family()),
                "actions": sorted(ACTIONS),
                "operators": sorted(OPERATORS),
                "archs": [f"SCMP_ARCH_{abi.name}" for abi in own_family()],
                "knownFlags": sorted(FLAGS),
                "supportedFlags": sorted(FLAGS),
            },
            "apparmor": {"enabled": False},
            "selinux": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": True}},
        },
        "annotations": {INIT_ANNOTATION: "true: an init is pid 1 and the program its child"},
    }


def _mount(target: str, kind: str, options: list[str]) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": kind, "options": options}
