"""Where the cgroup of a box is to be. Nothing is made here.

A box has one folder in each v1 hierarchy whose controllers serve it, and one in the v2 hierarchy:
on a hybrid host for freezing, killing and the event of its end, elsewhere for everything.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ptylaunch.hierarchy import Hierarchy, find_hierarchies, read_or

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ptylaunch.plan import Resources

_ALWAYS: Final = ("memory", "pids", "cpu", "cpuacct", "freezer")
"""For stats, freezing and killing, whatever is limited. cpuset only when asked for."""


_INNER: Final = "box"


class Cgroup(NamedTuple):
    """The folders of one box's cgroup; without any, the box stays in its caller's."""

    unified: str = ""
    """Folder in the v2 hierarchy."""
    controllers: tuple[str, ...] = ()
    """Those that the v2 hierarchy serves it with."""
    v1: tuple[tuple[str, str], ...] = ()
    """Pairs of a controller and its folder; two may share one (``cpu,cpuacct``)."""
    inner: str = ""
    """Name of the cgroup below each folder that the processes are in; empty: in the folder itself.

    What an ordinary user makes is the user's, who is root in the box, and with a user namespace
    inside it that root may mount the hierarchies from the box's own cgroup down. Its limits have to
    be above that (not every host has v2's nsdelegate, v1 has nothing like it). What root makes is
    the host's root's, who is nobody in the box.
    """

    @property
    def folders(self) -> tuple[str, ...]:
        """Every folder once, v2 first."""
        return tuple(dict.fromkeys(filter(None, (self.unified, *(path for _, path in self.v1)))))

    @property
    def rooms(self) -> tuple[str, ...]:
        """The folders that the processes are in."""
        return tuple(f"{path}/{self.inner}" if self.inner else path for path in self.folders)

    def has(self, controller: str) -> bool:
        v2 = _in_v2({controller}) <= {*self.controllers}
        return v2 or bool(self.v1_folder(controller))

    def v1_folder(self, controller: str) -> str:
        """Return the folder of a v1 controller, empty when v1 does not serve it."""
        return dict(self.v1).get(controller, "")

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` takes, to be kept while the box lives."""
        return {**self._asdict(), "v1": dict(self.v1)}

    @classmethod
    def from_json(cls, fields: object) -> Cgroup:
        """Return the cgroup of :meth:`to_json`; for None, one of nothing."""
        if not isinstance(fields, dict):
            return cls()
        known = cast("dict[str, Any]", fields)
        return cls(
            unified=known["unified"],
            controllers=tuple(known["controllers"]),
            v1=tuple(known["v1"].items()),
            inner=known["inner"],
        )


def place(path: str, resources: Resources, more: tuple[str, ...] = ()) -> Cgroup:
    """Choose folders for the cgroup ``path``: all those that we may use.

    Absolute: below the top of each hierarchy. Relative: the same for root where it may, else below
    our own cgroup or, in v2, the nearest one above it that serves most of what is wanted:
    a v2 cgroup with processes gives its children no controllers (cgroups(7)). ``more`` are
    controllers that it is to have if it can, for limits that may come later.
    """
    hierarchies = find_hierarchies()
    wanted = {*_ALWAYS, *asked(resources), *more}
    if resources.devices:
        wanted.add("devices")
    v1 = tuple(
        (controller, folder)
        for hierarchy in hierarchies
        if hierarchy.version == 1 and wanted.intersection(hierarchy.controllers)
        for folder in [_place_v1(hierarchy, path)]
        if folder
        for controller in hierarchy.controllers
        if controller in wanted
    )
    left = _in_v2(wanted - {controller for controller, _ in v1})
    unified, controllers = "", frozenset[str]()
    for hierarchy in hierarchies:
        if hierarchy.version == 2:
            unified, controllers = _place_v2(hierarchy, path, left, asked_of_v2(resources))
    inner = "" if os.geteuid() == 0 else _INNER
    return Cgroup(unified, tuple(sorted(controllers)), v1, inner)


def fresh_name() -> str:
    """Return a cgroup path for a box whose spec names none."""
    return f"ptylaunch-{os.urandom(8).hex()}"


def asked(resources: Resources) -> set[str]:
    """Return the controllers without which these limits cannot be kept."""
    groups = (
        ("memory", (resources.memory, resources.swap, resources.reservation)),
        ("memory", (resources.swappiness, resources.no_oom_killer or None)),
        ("cpu", (resources.shares, resources.quota, resources.period, resources.burst)),
        ("cpu", (resources.idle, resources.rt_runtime, resources.rt_period)),
        ("cpuset", (resources.cpus or None, resources.mems or None)),
        ("pids", (resources.pids,)),
    )
    own = {name for name, values in groups if any(value is not None for value in values)}
    if not resources.seldom:
        return own
    return own | {each.controller for each in resources.seldom} - {"cgroup"}


def asked_of_v2(resources: Resources) -> set[str]:
    """Return the same by v2's names."""
    return _in_v2(asked(resources))


def _in_v2(names: set[str]) -> set[str]:
    return {"io" if name == "blkio" else name for name in names}


def _place_v1(hierarchy: Hierarchy, path: str) -> str:
    for base in _bases(hierarchy, path):
        if _may_make(base, path):
            return _join(base, path)
    return ""


def _place_v2(
    hierarchy: Hierarchy, path: str, wanted: set[str], needed: set[str]
) -> tuple[str, frozenset[str]]:
    best = ("", frozenset[str]())
    for base in _bases(hierarchy, path):
        if not _may_make(base, path):
            continue
        offered = frozenset(_offered(base) & wanted)
        better = (len(offered & needed), len(offered)) > (len(best[1] & needed), len(best[1]))
        if not best[0] or better:
            best = (_join(base, path), offered)
    return best


def _bases(hierarchy: Hierarchy, path: str) -> Iterator[str]:
    """Yield the folders that ``path`` may be below, best first."""
    if path.startswith("/") or os.geteuid() == 0:
        yield hierarchy.folder
    if path.startswith("/") or not hierarchy.own:
        return
    base = hierarchy.own
    while len(base) >= len(hierarchy.folder) and os.access(base, os.W_OK):
        # Moving a process wants to write cgroup.procs of the nearest common ancestor: this one.
        if os.access(f"{base}/cgroup.procs", os.W_OK):
            yield base
        if hierarchy.version == 1:
            return
        base = os.path.dirname(base)


def _may_make(base: str, path: str) -> bool:
    """Tell whether we may make ``path`` below ``base``: write where it begins to be missing."""
    folder = _join(base, path)
    while len(folder) > len(base) and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return os.access(folder, os.W_OK | os.X_OK)


def _offered(base: str) -> set[str]:
    """Return the v2 controllers that a child of ``base`` has or can be given."""
    enabled = set(read_or(f"{base}/cgroup.subtree_control").split())
    # The host's root alone has no cgroup.type, and may have processes beside children.
    top = not os.path.exists(f"{base}/cgroup.type")
    if top or not read_or(f"{base}/cgroup.procs", "?"):
        enabled |= set(read_or(f"{base}/cgroup.controllers").split())
    return enabled


def _join(base: str, path: str) -> str:
    return f"{base}/{path.lstrip('/')}"
