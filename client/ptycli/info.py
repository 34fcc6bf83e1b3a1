"""``ptyd info``: how many containers and images there are, on what kind of host."""

from __future__ import annotations

import os
from typing import Any, Final

from ptycli.arguments import Parser, printable
from ptycli.container import every
from ptycli.engine import NATIVE, RUNTIMES, is_installed
from ptycli.image.store import list_trees
from ptycli.inspect import show_one
from ptycli.stats import binary_size, memory_total
from ptycli.template.value import is_list
from ptycli.version import describe as describe_version
from ptykeep import state
from ptylaunch.hierarchy import find_hierarchies

USAGE: Final = "ptyd info [-f FORMAT]"


def main(arguments: list[str]) -> int:
    parser = Parser("info", "Show what there is on this host.", USAGE)
    return show_one(parser, arguments, describe, _tell)


def _tell(described: dict[str, Any]) -> None:
    for name, value in described.items():
        shown = binary_size(value) if name == "MemTotal" else _say(value)
        print(printable(f"{name}: {shown}"))


def describe() -> dict[str, Any]:
    """Return docker's fields where there is something to say, and where things are kept."""
    dirs = state.directories()
    statuses = [each.read_state()["status"] for each in every()]
    version = describe_version()["Server"]
    return {
        "Containers": len(statuses),
        "ContainersRunning": statuses.count("running"),
        "ContainersPaused": statuses.count("paused"),
        "ContainersStopped": len(statuses) - statuses.count("running") - statuses.count("paused"),
        "Images": len(list_trees(dirs)),
        "ServerVersion": version["Version"],
        "OperatingSystem": _system(),
        "OSType": version["Os"],
        "Architecture": os.uname().machine,
        "KernelVersion": version["KernelVersion"],
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": memory_total(),
        "Name": os.uname().nodename,
        "CgroupVersion": _cgroup_version(),
        "CgroupDriver": "cgroupfs",
        "Rootless": os.geteuid() != 0,
        "DefaultRuntime": NATIVE,
        "Runtimes": [NATIVE, *(name for name in RUNTIMES if is_installed(name))],
        "DockerRootDir": dirs.data,
        "RunDir": dirs.run,
    }


def _cgroup_version() -> str:
    """Return 1 where v1 has controllers, also beside v2 (a hybrid host); empty without cgroups."""
    found = find_hierarchies()
    if any(each.version == 1 for each in found):
        return "1"
    return "2" if found else ""


def _system() -> str:
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as file:
            lines = [line.strip().partition("=") for line in file]
    except OSError:
        return "Linux"
    return next((value.strip("\"'") for key, _, value in lines if key == "PRETTY_NAME"), "Linux")


def _say(value: Any) -> str:
    return " ".join(value) if is_list(value) else str(value)
