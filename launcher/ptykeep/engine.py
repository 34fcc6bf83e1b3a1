"""A box that another OCI runtime builds: ``ptyd run --runtime runc``.

What it is made of is the same config.json, but for what only our own launcher knows, which is left
out or refused by its name. There is no init: the program is pid 1, and has a watcher beside it.
"""

from __future__ import annotations

import errno
import os
from typing import Any, Final

from ptykeep.runtime import Call, Runtime, RuntimeFailed, delete
from ptykeep.state import write_json
from ptykeep.watcher import watch
from ptylaunch import container
from ptylaunch import syscall as sc
from ptylaunch.errors import LaunchFailed, failure_from
from ptylaunch.pipes import give_pipes
from ptylaunch.placement import Cgroup
from ptylaunch.plan import host_id
from ptylaunch.spec import read_plan
from ptylaunch.target import Target, open_target

_PLACES: Final = ("/media", "/mnt", "/srv", "/opt")
"""Folders to show the root at: the box's root has no right to pass through the state folder."""
_IDMAPS: Final = ("idmap", "ridmap")


class RuntimeBox:
    """As ``ptylaunch.container.Box``, in the hands of a runtime."""

    def __init__(
        self,
        runtime: Runtime,
        pid: int,
        terminal: tuple[int, int] | None,
        *,
        target: Target,
        cgroup: Cgroup,
        watch_fd: int,
    ) -> None:
        self.runtime = runtime
        self.init_pid = self.pid = pid
        self.pty_fd = terminal[0] if terminal else None
        self.tty_fd = terminal[1] if terminal else None
        self.target = target
        self.cgroup = cgroup
        self._watch_fd = watch_fd

    def start(self) -> None:
        """Let the program run."""
        self.runtime.call("start", self.runtime.id)

    def limit(self, resources: dict[str, Any]) -> None:
        """Have the runtime set other limits, which are ``linux.resources`` of a spec."""
        path = f"{self.runtime.folder}/resources.json"
        write_json(path, resources)
        self.runtime.call("update", "--resources", path, self.runtime.id)

    def close_target(self) -> None:
        self.target.close()
        self.target = Target(())

    def close(self) -> None:
        """End it and close what we hold of it."""
        delete(self.runtime)
        self.close_target()
        for fd in (self.pty_fd, self.tty_fd):
            if fd is not None:
                os.close(fd)
        self.pty_fd = self.tty_fd = None
        os.close(self._watch_fd)


def choose_runtime(path: str, directory: str) -> Runtime:
    """Return the runtime at ``path`` for a container, in whose folder it gets one of its own."""
    return Runtime(path, f"{directory}/runtime", f"ptyd-{os.path.basename(directory)}")


def choose_cgroup(spec: dict[str, Any]) -> Cgroup:
    """Say where the runtime will make the box's cgroup; for an ordinary user it makes none."""
    return container.choose_cgroup(spec) if os.geteuid() == 0 else Cgroup()


def build(
    runtime: Runtime,
    spec: dict[str, Any],
    directory: str,
    stdio: tuple[int, int, int] | None,
    *,
    cgroup: Cgroup,
    joined: bool,
) -> RuntimeBox:
    """Have a box created; its program waits for :meth:`RuntimeBox.start`.

    ``joined``: its namespaces are wanted, for a network. LaunchFailed with nothing left but files.
    """
    plan = read_plan(spec, directory)
    place = _reachable(plan.root, [mount.source for mount in plan.mounts if mount.bind])
    os.makedirs(runtime.folder, mode=0o700, exist_ok=True)
    _check_mounts(spec["mounts"], runtime)
    write_json(f"{runtime.folder}/config.json", adapt(spec, place))
    sc.prctl(sc.PR_SET_CHILD_SUBREAPER, 1)
    program = plan.program
    give_pipes(stdio, host_id(program.uid, plan.uid_map), host_id(program.gid, plan.gid_map))
    words = ("create", "--bundle", runtime.folder, "--pid-file", "pid", runtime.id)
    bind = (plan.root, place) if place != plan.root else None
    call = Call(runtime, runtime.folder, words, stdio=stdio, console=program.terminal, bind=bind)
    terminal: tuple[int, int] | None = None
    try:
        call.wait()
        terminal = call.take_terminal() if program.terminal else None
        pid = call.read_pid()
        target = open_target(pid) if joined else Target(())
        watch_fd = watch(pid, cgroup)
    except (OSError, LaunchFailed) as error:
        for fd in terminal or ():
            os.close(fd)
        delete(runtime)
        raise failure_from(error, runtime.name) from error
    finally:
        call.close()
    return RuntimeBox(runtime, pid, terminal, target=target, cgroup=cgroup, watch_fd=watch_fd)


def adapt(spec: dict[str, Any], root: str) -> dict[str, Any]:
    """Return config.json without what is ours alone."""
    linux = {**spec["linux"]}
    path = linux.pop("cgroupsPath", "")
    if os.geteuid() == 0:
        # Absolute, which all runtimes take for below the top of each hierarchy, as we do.
        linux["cgroupsPath"] = "/" + path.lstrip("/")
    else:
        linux.pop("resources", None)  # ptyd run refuses those that are asked for
    return {
        **{key: value for key, value in spec.items() if key != "annotations"},
        "ociVersion": "1.0.2",
        "root": {**spec["root"], "path": root},
        "mounts": [_adapt_mount(mount) for mount in spec["mounts"]],
        "linux": linux,
    }


def _check_mounts(mounts: list[dict[str, Any]], runtime: Runtime) -> None:
    """Refuse what would be shown with other owners than the box's: root's files to nobody."""
    mapped = [each for each in mounts if {*(each.get("options") or ())} & {*_IDMAPS}]
    if mapped and not runtime.maps_ids():
        where = mapped[0]["destination"]
        line = f"mount {where}: it cannot map ids of mounts, which root's -v wants"
        raise RuntimeFailed(runtime.name, line)


def _adapt_mount(mount: dict[str, Any]) -> dict[str, Any]:
    options: list[str] = mount.get("options") or []
    if "rbind" in options and "ro" in options:
        # Ours is read-only all the way down; theirs only with this (runtime-spec 1.1).
        options = [*options, "rro"]
    return {**mount, "options": options}


def _reachable(root: str, sources: list[str]) -> str:
    """Return where a user of the box can come to its root by path: there, or where to show it."""
    if os.geteuid() != 0:
        return root  # its owner is root in the box
    for place in _PLACES:
        hidden = any(f"{source}/".startswith(f"{place}/") for source in sources)
        if os.path.isdir(place) and not hidden:
            return place
    raise LaunchFailed("rootfs", errno.ENOENT, f"none of {', '.join(_PLACES)} is free")
