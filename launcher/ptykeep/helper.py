"""The programs that carry a box's packets without privilege: pasta(1) and slirp4netns(1).

Each is a child of the keeper, attaches to the box's tap and speaks to the world with ordinary
sockets of the host. It runs in the box's user namespace and in no other of the box's: whatever it
holds it holds over the box alone, and it gives up most of that, and its files, by itself. pasta is
nobody there; slirp4netns wants to be root. Only ports that want root on the host (``low_ports``)
make slirp4netns run outside, with CAP_NET_BIND_SERVICE and no other capability.

pasta of Debian 12 (2023-03-09) leaves a connection that comes in from another machine half open in
the box until the client has sent something: who waits for a greeting waits 15 s. Later ones do not.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from ptykeep.tap import MAC, MTU, NAME
from ptylaunch import syscall as sc
from ptylaunch.capability import bits_of, mask_of
from ptylaunch.child import FAILED, forget_caller, keep_only
from ptylaunch.errors import LaunchFailed
from ptylaunch.plan import host_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ptylaunch.target import Target

PASTA: Final = "pasta"
SLIRP: Final = "slirp4netns"
HELPERS: Final = (PASTA, SLIRP)
"""In order of preference: pasta is faster and knows IPv6."""

_PLACES: Final = ("/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/run/current-system/sw/bin")
_NEEDED: Final = ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE", "CAP_SETPCAP")
"""Over the box: to attach to its tap, to enter a root of their own, to give all these up."""
_NOBODY: Final = 65534
_NETWORK_FD: Final = 3
_USER_FD: Final = 4
_FOLDER_FD: Final = 5
API: Final = "api"
_NOISE: Final = (b"syslog", b"WARNING", b"sent tapfd", b"received tapfd", b"Starting", b"*")
"""What they write that is no reason for their end."""

_ANSWERED_WITHIN: Final = 5.0
"""Seconds in which slirp4netns has answered."""


class Port(NamedTuple):
    """A port of the host that leads into the box."""

    protocol: str
    host: str
    port: int
    inside: int


class Ends(NamedTuple):
    """Addresses of one family: the box's own, and what it finds at the other end of its tap."""

    box: str
    gateway: str
    dns: str


class Setup(NamedTuple):
    """What a helper is told; ``six`` is None without IPv6."""

    four: Ends
    six: Ends | None
    allow_host: bool
    low_ports: bool
    ports: Sequence[Port]
    folder: str
    """Where slirp4netns makes the socket that it takes ports on; the box's root must own it."""


def find(name: str) -> str:
    """Return the path of a helper, "" when it is not installed."""
    paths = (f"{place}/{name}" for place in _PLACES)
    return next((path for path in paths if os.access(path, os.X_OK)), "")


def start(name: str, target: Target, setup: Setup, log_fd: int) -> int:
    """Start a helper and return its pid; it ends with us."""
    path = find(name)
    if not path:
        raise LaunchFailed("network", errno.ENOENT, name)
    pid = os.fork()
    if pid == 0:
        _be_helper(name, path, target, setup, log_fd)
    return pid


def say_why(log_fd: int) -> str:
    """Return the last line of a helper's log that may be the reason why it ended."""
    size = os.fstat(log_fd).st_size
    lines = os.pread(log_fd, 4096, max(0, size - 4096)).splitlines()
    for line in reversed(lines):
        if line.strip() and not any(noise in line for noise in _NOISE):
            return line.decode("utf-8", "replace").strip()
    return ""


def publish(setup: Setup) -> None:
    """Tell slirp4netns of the ports, one by one; raise LaunchFailed with the one it refuses.

    It is asked something in any case: that it answers is the only sign that it is ready.
    """
    if "entries" not in _ask(setup.folder, "list_hostfwd", {}):
        raise LaunchFailed("network", errno.EPROTO, SLIRP)
    for port in setup.ports:
        wish = {
            "proto": port.protocol,
            "host_addr": port.host,
            "host_port": port.port,
            "guest_addr": setup.four.box,
            "guest_port": port.inside,
        }
        if "return" not in _ask(setup.folder, "add_hostfwd", wish):
            where = f"{port.host}:{port.port}/{port.protocol}"
            raise LaunchFailed("network", 0, f"{where}: {SLIRP} does not publish it")


def _ask(folder: str, request: str, arguments: dict[str, Any]) -> dict[str, Any]:
    import json  # the keeper has it loaded; those who only look for a helper have not

    place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_ANSWERED_WITHIN)
        try:  # by the fd: a path of over 107 bytes is none for a socket, unix(7)
            sock.connect(f"/proc/self/fd/{place}/{API}")
        finally:
            os.close(place)
        sock.sendall(json.dumps({"execute": request, "arguments": arguments}).encode())
        sock.shutdown(socket.SHUT_WR)
        answer: dict[str, Any] = json.loads(sock.recv(4096) or b"{}")
        return answer


def pasta_arguments(setup: Setup) -> list[str]:
    words = ["--foreground", "--quiet", "--stderr", "--netns", f"/proc/self/fd/{_NETWORK_FD}"]
    words += ["--netns-only", "--ns-ifname", NAME, "--ns-mac-addr", MAC]
    words += ["--no-dhcp", "--no-dhcpv6", "--no-ra"]
    words += ["--address", setup.four.box, "--netmask", "24", "--gateway", setup.four.gateway]
    words += ["--dns-forward", setup.four.dns]
    if setup.six:
        words += ["--address", setup.six.box, "--gateway", setup.six.gateway]
        words += ["--dns-forward", setup.six.dns]
    else:
        words += ["--ipv4-only"]
    if not setup.allow_host:
        words += ["--no-map-gw"]
    for protocol, option in (("tcp", "--tcp-ports"), ("udp", "--udp-ports")):
        ports = [port for port in setup.ports if port.protocol == protocol]
        for port in ports:
            words += [option, f"{port.host}/{port.port}:{port.inside}"]
        if not ports:
            words += [option, "none"]
    return [*words, "--tcp-ns", "none", "--udp-ns", "none"]


def slirp_arguments(setup: Setup) -> list[str]:
    words = ["--mtu", str(MTU), "--cidr", setup.four.gateway.rpartition(".")[0] + ".0/24"]
    words += ["--enable-sandbox", "--enable-seccomp"]
    if setup.low_ports:
        words += ["--userns-path", f"/proc/self/fd/{_USER_FD}"]
    if not setup.allow_host:
        words += ["--disable-host-loopback"]
    words += ["--api-socket", f"/proc/self/fd/{_FOLDER_FD}/{API}"]
    return [*words, "--netns-type", "path", f"/proc/self/fd/{_NETWORK_FD}", NAME]


def _be_helper(name: str, path: str, target: Target, setup: Setup, log_fd: int) -> NoReturn:
    try:
        forget_caller(name)
        os.setsid()
        _place_descriptors(target, setup.folder, log_fd)
        arguments = pasta_arguments(setup) if name == PASTA else slirp_arguments(setup)
        if not setup.low_ports:
            _enter(target, nobody=name == PASTA)
        sc.prctl(sc.PR_SET_NO_NEW_PRIVS, 1)
        sc.prctl(sc.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.execve(path, [name, *arguments], {})
    except OSError as error:
        os.write(2, f"{name}: {error}\n".encode())
    finally:
        os._exit(FAILED)


def _place_descriptors(target: Target, folder: str, log_fd: int) -> None:
    """Give it nothing, twice the log, the two namespaces, and its folder."""
    wanted = {namespace.flag: namespace.fd for namespace in target.namespaces}
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    namespaces = (wanted[sc.CLONE_NEWNET], wanted[sc.CLONE_NEWUSER])
    sources = (null, log_fd, log_fd, *namespaces, place)
    high = [os.dup(fd) for fd in sources]  # first out of the way of each other
    while min(high) < len(sources):
        high = [os.dup(fd) for fd in high]
    for number, fd in enumerate(high):
        os.dup2(fd, number)
    keep_only(range(len(sources)))


def _enter(target: Target, *, nobody: bool) -> None:
    """Enter the box's user namespace, able to attach to its tap and to hide itself there."""
    if os.geteuid() == 0:
        _open_tun_to_everybody()
    sc.setns(_USER_FD, sc.CLONE_NEWUSER)
    os.close(_USER_FD)
    mask = mask_of(_NEEDED)
    ranges = host_id(_NOBODY, target.uid_map) and host_id(_NOBODY, target.gid_map)
    own = _NOBODY if nobody and ranges else 0
    sc.prctl(sc.PR_SET_KEEPCAPS, 1)
    if ranges:
        os.setgroups(())  # with a single id it is forbidden, and they are the user's own
    os.setresgid(own, own, own)
    os.setresuid(own, own, own)
    sc.capset(mask, mask, mask)
    for number in bits_of(mask):
        sc.prctl(sc.PR_CAP_AMBIENT, sc.PR_CAP_AMBIENT_RAISE, number)
    os.set_inheritable(_NETWORK_FD, True)


def _open_tun_to_everybody() -> None:
    """Show /dev/net/tun as everybody's, to this process alone: on some hosts it is root's."""
    sc.unshare(sc.CLONE_NEWNS)
    sc.mount(None, "/", None, sc.MS_SLAVE | sc.MS_REC)
    sc.mount("tmpfs", "/dev/net", "tmpfs", sc.MS_NOSUID | sc.MS_NOEXEC, "size=4k,mode=755")
    os.mknod("/dev/net/tun", 0o20666, os.makedev(10, 200))
    os.chmod("/dev/net/tun", 0o666)  # noqa: S103 - that is what it is for
