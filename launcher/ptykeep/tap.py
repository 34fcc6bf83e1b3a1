"""The box's network interface: a tap that the helper makes, and that we arm before it is up.

A tap of a helper is down at first: nothing passes. By then the keeper takes a copy of its
descriptor (pidfd_getfd(2)) and puts the filter on it, out of the box's reach; so a new address of
the host only wants a new filter. (A filter on a persistent tap does not last: the kernel keeps a
pointer into the memory of who set it, tun_attach() in drivers/net/tun.c.)
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from ptykeep import netlink
from ptylaunch import syscall as sc
from ptylaunch.child import FAILED, forget_caller
from ptylaunch.errors import failure_from, pack_failure, unpack_failure
from ptylaunch.reap import reap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ptykeep.netlink import Prefix
    from ptylaunch.target import Target

NAME: Final = "eth0"
MAC: Final = "02:70:74:79:64:01"
"""The box's; locally administered."""
MTU: Final = 65520
"""Bytes: what pasta and slirp4netns take at most; there is no wire."""

_TUNATTACHFILTER: Final = 0x401054D5  # linux/if_tun.h

_IPV6_OFF: Final = (("disable_ipv6", "1"),)
_IPV6_ON: Final = (
    # No address that we did not give: link-local ones are behind the wall anyway.
    ("addr_gen_mode", "1"),
    ("accept_ra", "0"),
    ("autoconf", "0"),
)


class Wiring(NamedTuple):
    """How a box is to be connected."""

    addresses: Sequence[Prefix]
    gateways: Sequence[bytes]


def open_inside(target: Target, *, ipv6: bool) -> socket.socket:
    """Return an rtnetlink socket of the box's, who may change its interfaces; LaunchFailed.

    Interfaces that come later have IPv6 or not, and no address by themselves.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            pid = os.fork()
            if pid == 0:
                _be_child(target, theirs, ipv6=ipv6)
        try:
            said, fds, _, _ = socket.recv_fds(ours, 4096, 1, socket.MSG_CMSG_CLOEXEC)
        finally:
            reap(pid)
    if not fds:
        raise unpack_failure(said)
    inside = socket.socket(fileno=fds[0])
    inside.settimeout(netlink.WITHIN)
    return inside


def take(pid: int) -> int:
    """Return a copy of a helper's end of the tap, -1 when it has none (yet)."""
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            if _is_tap(f"/proc/{pid}", name):
                return _copy(pid, int(name))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass  # it has ended, or has closed that one, or is not yet the program that it will be
    return -1


def arm(tap_fd: int, program: bytes) -> None:
    """Put a filter (struct sock_filter, one behind the other) on a tap, in place of the last."""
    code = ctypes.create_string_buffer(program)
    count = len(program) // 8  # bytes of a struct sock_filter
    fcntl.ioctl(tap_fd, _TUNATTACHFILTER, struct.pack("@HP", count, ctypes.addressof(code)))


def connect(inside: socket.socket, wiring: Wiring) -> None:
    """Switch the interface on: from here on packets pass."""
    index = netlink.index_of(inside, NAME)
    netlink.raise_link(inside, index, MTU, bytes.fromhex(MAC.replace(":", "")))
    for own in wiring.addresses:
        netlink.add_address(inside, index, own)
    for gateway in wiring.gateways:
        netlink.add_default_route(inside, index, gateway)


def _is_tap(process: str, name: str) -> bool:
    if os.readlink(f"{process}/fd/{name}").startswith(("socket:", "pipe:", "anon_inode")):
        return False
    with open(f"{process}/fdinfo/{name}", encoding="ascii") as file:
        return f"iff:\t{NAME}\n" in file.read()


def _copy(pid: int, fd: int) -> int:
    witness = os.pidfd_open(pid)
    try:
        return sc.pidfd_getfd(witness, fd)
    finally:
        os.close(witness)


def _be_child(target: Target, sock: socket.socket, *, ipv6: bool) -> NoReturn:
    try:
        forget_caller("ptyd-network")
        for namespace in target.namespaces:
            if namespace.flag in (sc.CLONE_NEWUSER, sc.CLONE_NEWNET):
                sc.setns(namespace.fd, namespace.flag)
        _set_ipv6(_IPV6_ON if ipv6 else _IPV6_OFF)
        inside = netlink.open_netlink()
        socket.send_fds(sock, [b"!"], [inside.fileno()])
    except BaseException as error:  # noqa: BLE001 - the keeper is told, and nobody else
        failure = failure_from(error, "network")
        sock.send(pack_failure(failure.stage, failure.errno, failure.detail))
        os._exit(FAILED)
    os._exit(0)


def _set_ipv6(settings: Sequence[tuple[str, str]]) -> None:
    folder = "/proc/sys/net/ipv6/conf/default"
    if not os.path.isdir(folder):
        return  # a kernel without IPv6
    for name, value in settings:
        fd = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)
