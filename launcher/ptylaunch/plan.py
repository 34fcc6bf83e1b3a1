"""What is to be built: the parts of an OCI spec, checked and resolved, as plain values.

Nothing here does anything. The children only look at these, never at the spec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ptylaunch.syscall import CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER

if TYPE_CHECKING:
    from ptylaunch.capability import Capabilities
    from ptylaunch.hook import Hook


class IdRange(NamedTuple):
    """``size`` ids from ``inside`` are ``outside`` and up on the host (user_namespaces(7))."""

    inside: int
    outside: int
    size: int


class Layers(NamedTuple):
    """Folders of the host that an overlay shows, the uppermost of ``lower`` first.

    ``upper`` and ``work`` lie in one folder; they are empty when the overlay is read-only.
    """

    lower: tuple[str, ...]
    upper: str = ""
    work: str = ""


class Mount(NamedTuple):
    """One entry of ``mounts``; flags as in mount(2), ``attrs`` as in mount_setattr(2)."""

    target: str
    kind: str
    source: str
    bind: bool
    recursive: bool
    flags: int
    attrs: int
    propagation: int
    idmap: bool
    copy_up: bool
    data: str
    layers: Layers | None = None
    """Of an overlay; ``idmap`` is about its lower ones."""
    idmap_all: bool = False
    """The mounts below it are idmapped as well."""
    own_maps: tuple[tuple[IdRange, ...], tuple[IdRange, ...]] | None = None
    """Of uids and gids, where an idmapped mount does not have those of the box."""


class Limit(NamedTuple):
    """One rlimit: a RLIMIT_ number, soft and hard."""

    resource: int
    soft: int
    hard: int


class Filter(NamedTuple):
    """A seccomp filter: an array of struct sock_filter, and SECCOMP_FILTER_FLAG_ bits."""

    program: bytes
    flags: int


class Attributes(NamedTuple):
    """How the kernel is to treat a program (``attribute``); None is left as it is."""

    scheduler: bytes | None = None
    """A struct sched_attr (sched_setattr(2))."""
    io_priority: int | None = None
    personality: int | None = None


class Program(NamedTuple):
    """What is executed, and as whom. ``groups`` are the supplementary ones."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    umask: int
    capabilities: Capabilities
    no_new_privileges: bool
    limits: tuple[Limit, ...]
    oom_score_adj: int | None
    terminal: bool
    rows: int
    cols: int
    seccomp: Filter | None = None
    attributes: Attributes = Attributes()
    warnings: tuple[str, ...] = ()
    """What it asks for and does not get, where the spec demands no more than to say so."""


class Device(NamedTuple):
    """A device node of the box; ``kind`` is a S_IF number, the numbers are 0 for a fifo."""

    path: str
    kind: int
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0


class DeviceRule(NamedTuple):
    """Whether devices may be used: ``kind`` a b or c, numbers None for all, ``access`` of rwm."""

    allow: bool
    kind: str
    major: int | None
    minor: int | None
    access: str


class Seldom(NamedTuple):
    """One write for a limit that few ask for: of pairs of a file and a line, the first that fits.

    ``v1`` where such a hierarchy serves the controller, else ``v2``; nothing fits where they are
    empty. An ``optional`` one is passed over where this kernel does not have the file.
    """

    controller: str
    v1: tuple[tuple[str, str], ...]
    v2: tuple[tuple[str, str], ...]
    optional: bool = False


class Resources(NamedTuple):
    """Limits of ``linux.resources``; None is not asked, -1 unlimited. Memory is in bytes."""

    memory: int | None = None
    swap: int | None = None
    """Of memory and swap together, as OCI and docker count."""
    reservation: int | None = None
    shares: int | None = None
    """v1's weight of processor time, 2 to 262144, 1024 when not asked."""
    quota: int | None = None
    """Microseconds of processor time in each ``period``."""
    period: int | None = None
    """Microseconds."""
    cpus: str = ""
    """A list such as ``0-3,5``."""
    mems: str = ""
    pids: int | None = None
    swappiness: int | None = None
    """0 to 100; v1's alone, as the next."""
    no_oom_killer: bool = False
    devices: tuple[DeviceRule, ...] = ()
    """In order: a later one overrides those before it."""
    burst: int | None = None
    """Microseconds that may be saved up for later."""
    idle: int | None = None
    """1: processor time that nobody else wants."""
    rt_runtime: int | None = None
    """Microseconds of real time in each ``rt_period``; v1's alone, as the next."""
    rt_period: int | None = None
    check_first: bool = False
    """A limit of memory below what is used already is refused."""
    seldom: tuple[Seldom, ...] = ()


class Plan(NamedTuple):
    """A whole box. ``namespaces`` are CLONE_NEW flags to unshare, ``joined`` flags and paths."""

    root: str
    root_readonly: bool
    propagation: int
    """Of the root, MS_ flags for mount(2); 0 is private."""
    namespaces: int
    joined: tuple[tuple[int, str], ...]
    uid_map: tuple[IdRange, ...]
    gid_map: tuple[IdRange, ...]
    mounts: tuple[Mount, ...]
    devices: tuple[Device, ...]
    masked: tuple[str, ...]
    readonly: tuple[str, ...]
    sysctl: tuple[tuple[str, str], ...]
    time_offsets: tuple[tuple[str, int, int], ...]
    """Clock, seconds, nanoseconds (time_namespaces(7))."""
    hostname: str
    domainname: str
    init: bool
    cgroups_path: str
    resources: Resources
    hooks: tuple[Hook, ...]
    program: Program

    @property
    def birthright(self) -> int:
        """The flags of those that pid 1 can be born in: the user's and the pid namespace.

        None where something is to be done outside of them first: a namespace of the host's entered,
        a time namespace made, which only children are in, or oom_score_adj lowered. The others come
        later, when their root has an id: what the kernel makes for a new network namespace is that
        root's.
        """
        early = CLONE_NEWUSER | CLONE_NEWPID
        adjusts = self.namespaces & CLONE_NEWUSER and self.program.oom_score_adj is not None
        outside = self.joined or self.namespaces & CLONE_NEWTIME or adjusts
        if outside or not self.namespaces & CLONE_NEWPID:
            return 0
        return self.namespaces & early

    @property
    def every_namespace(self) -> int:
        """The flags of all that are not the caller's."""
        return self.namespaces | sum(flag for flag, _ in self.joined)


def host_id(inside: int, ranges: tuple[IdRange, ...]) -> int | None:
    """Return the host's id for one of the box's; without a map they are the same."""
    if not ranges:
        return inside
    for part in ranges:
        if part.inside <= inside < part.inside + part.size:
            return part.outside + inside - part.inside
    return None
