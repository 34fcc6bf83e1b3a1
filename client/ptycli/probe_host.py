"""What is installed and switched on around the kernel. Each function runs in a child."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
from typing import Final

from ptycli.engine import RUNTIMES, is_installed
from ptycli.idmap import IdMaps, rooted, rootless
from ptycli.probe import Probe, Result, in_user_namespace, limited, missing, ok
from ptykeep import state

_NEWEST_REFUSED: Final = (3, 10)
_CONTROLLERS: Final = ("memory", "cpu", "pids")
_MOUNTED_AT: Final = "/sys/fs/cgroup"
_CAPABILITY: Final = "security.capability"


def _python() -> Result:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] <= _NEWEST_REFUSED:
        return missing(found, "Python 3.11 or newer is needed")
    return ok(found)


def _state() -> Result:
    """Make the state folders, and a file in each."""
    dirs = state.directories()
    state.prepare(dirs)
    for folder in dirs:
        state.write_file(f"{folder}/doctor", b"well")
        os.unlink(f"{folder}/doctor")
    return ok(dirs.data)


def _ids() -> Result:
    """Map the ids that a box would get, by newuidmap and newgidmap where we are not root."""
    maps = rooted(state.RANGE_FIRST) if os.geteuid() == 0 else rootless()
    if maps.notice:
        return limited(maps.notice, _ids_advice())
    child, hold = in_user_namespace()
    try:
        complaint = write_maps(child, maps)
        if complaint:
            return limited(f"only root exists inside: {complaint}", _ids_advice())
        with open(f"/proc/{child}/uid_map", encoding="ascii") as file:
            count = sum(int(line.split()[2]) for line in file)
        return ok(f"{count} ids in a box")
    finally:
        os.close(hold)
        os.waitpid(child, 0)


def _ids_advice() -> str:
    """Say what keeps an ordinary user from the ids of /etc/subuid and /etc/subgid."""
    paths = [shutil.which(name) for name in ("newuidmap", "newgidmap")]
    for path in paths:
        if path is None:
            return "apt-get install uidmap"
        if os.statvfs(path).f_flag & os.ST_NOSUID:
            return f"{path} is on a filesystem that is mounted nosuid"
        if not os.stat(path).st_mode & stat.S_ISUID and _CAPABILITY not in os.listxattr(path):
            return f"chmod u+s {path}"
    return "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"


def write_maps(child: int, maps: IdMaps) -> str:
    """Write both maps; return what newuidmap or newgidmap complained of."""
    if maps.notice:  # a single id may be mapped by its owner (user_namespaces(7))
        with open(f"/proc/{child}/setgroups", "w", encoding="ascii") as file:
            file.write("deny")
    for kind, ranges in (("uid", maps.uids), ("gid", maps.gids)):
        numbers = [str(number) for part in ranges for number in part]
        if maps.rooted or maps.notice:
            with open(f"/proc/{child}/{kind}_map", "w", encoding="ascii") as file:
                file.write(" ".join(numbers))
            continue
        helper = f"new{kind}map"
        done = subprocess.run(
            [shutil.which(helper) or helper, str(child), *numbers],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
        if done.returncode:
            return done.stderr.strip().splitlines()[0] if done.stderr else f"{helper} failed"
    return ""


def _cgroups() -> Result:
    """Make a cgroup below our own, in each hierarchy that has a controller we want."""
    works: list[str] = []
    if not (own := _own_cgroups()):
        return missing("none is mounted", f"mount -t cgroup2 none {_MOUNTED_AT}")
    for controller, folder in own:
        place = f"{folder}/ptyd-doctor-{os.getpid()}"
        try:
            os.mkdir(place)
        except OSError:
            continue
        try:
            works += _controllers_of(controller, place)
        finally:
            os.rmdir(place)
    unified = os.path.exists(f"{_MOUNTED_AT}/cgroup.controllers")
    version = "version 2" if unified else "versions 1 and 2" if is_hybrid() else "version 1"
    found = [name for name in _CONTROLLERS if name in works]
    absent = [name for name in _CONTROLLERS if name not in works]
    if not absent:
        return ok(f"{version}: {' '.join(found)}")
    detail = f"{version}: no limit on {', '.join(absent)}"
    if os.geteuid() == 0:
        advice = "give this process a cgroup that it may write"
    elif unified:
        advice = "systemctl set-property user@UID.service Delegate='cpu memory pids'"
    else:
        advice = "users get cgroups of version 2: boot with systemd.unified_cgroup_hierarchy=1"
    return limited(detail, advice) if found else missing(detail, advice)


def _own_cgroups() -> list[tuple[str, str]]:
    """Return (controller, our folder); the controller is "" for version 2 (cgroups(7))."""
    mounts: dict[str, tuple[str, str]] = {}
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            left, _, right = line.partition(" - ")
            kind, _, options = right.split(maxsplit=2)
            root, point = left.split()[3:5]
            if kind == "cgroup2":
                mounts[""] = (root, point)
            elif kind == "cgroup":
                mounts |= dict.fromkeys(options.strip().split(","), (root, point))
    found: list[tuple[str, str]] = []
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        for line in file:
            _, names, path = line.rstrip("\n").split(":", 2)
            for name in names.split(","):
                if name in mounts and (name in _CONTROLLERS or not name):
                    root, point = mounts[name]
                    inside = path.removeprefix(root) if root != "/" else path
                    found.append((name, point + inside.rstrip("/")))
    return found


def is_hybrid() -> bool:
    """Tell whether both versions of cgroups are mounted."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        kinds = {line.partition(" - ")[2].split()[0] for line in file}
    return kinds >= {"cgroup", "cgroup2"}


def _runtimes() -> Result:
    """Say which of the runtimes that ``ptyd run --runtime`` knows by name are installed."""
    found = [name for name in RUNTIMES if is_installed(name)]
    if "crun" in found and is_hybrid():
        return limited(", ".join(found), "crun refuses a host with both versions of cgroups")
    return ok(f"{', '.join(found)} for --runtime" if found else "none, and none is needed")


def _controllers_of(controller: str, folder: str) -> list[str]:
    """Return what a new cgroup of ours can limit; in version 2 that is what it was given."""
    if controller:
        return [controller]
    with open(f"{folder}/cgroup.controllers", encoding="ascii") as file:
        return file.read().split()


def _logout() -> Result:
    """Ask logind what becomes of our processes, and of the socket folder, when we log out."""
    if os.geteuid() == 0 or not os.path.isdir("/run/systemd/system"):
        return ok("nothing ends your containers")
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = str(os.geteuid())
    try:
        asked = subprocess.run(
            [shutil.which("loginctl") or "/", "show-user", name, "--property=Linger", "--value"],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        asked = ""
    if asked.strip() == "yes":
        return ok("lingering: containers go on after logout")
    return limited("containers may end when you log out", f"loginctl enable-linger {name}")


HOST_PROBES: Final = (
    Probe("python", _python, needed=True),
    Probe("state folders", _state, needed=True, advice="PTYD_ROOT names another place"),
    Probe("ids", _ids, needed=True, advice="see user_namespaces(7)"),
    Probe("cgroups", _cgroups, advice="no limits of memory, processor and processes"),
    Probe("after logout", _logout),
    Probe("other runtimes", _runtimes),
)
