"""What the host has for a box's network: helpers, addresses, routes, ports."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from ptykeep import helper, netlink, wall
from ptykeep.helper import HELPERS, SLIRP, Port
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ptykeep.netlink import Prefix


def choose(ports: Iterable[Port] = ()) -> str:
    """Return the helper that serves ``ports``; raise LaunchFailed when there is none."""
    installed = [name for name in HELPERS if helper.find(name)]
    if not installed:
        raise LaunchFailed("network", 0, "neither pasta nor slirp4netns is installed")
    low = next(filter(is_low, ports), None)
    if low and os.geteuid() != 0:
        where = f"{low.host}:{low.port}/{low.protocol}"
        raise LaunchFailed("network", 0, f"{where}: only root may have a port that low")
    if low and SLIRP not in installed:
        raise LaunchFailed("network", 0, f"port {low.port} wants slirp4netns, pasta cannot have it")
    if SLIRP in installed and (low or not has_default_route()):
        return SLIRP  # which waits for a route
    if not has_default_route():
        raise LaunchFailed("network", 0, "pasta wants a default route, and the host has none")
    return installed[0]


def own_prefixes() -> list[Prefix]:
    """Return the addresses at which the host answers, but for those that no box reaches anyway."""
    found = [route.to for route in netlink.routes() if route.local]
    return [own for own in found if not any(never.covers(own) for never in wall.NOWHERE)]


def has_default_route(family: int | None = None) -> bool:
    return any(
        route.main and route.to.length == 0 and family in (None, route.to.family)
        for route in netlink.routes()
    )


def claim(port: Port) -> Port:
    """See that a port is free, and find one for 0; raise the OSError that bind(2) gives."""
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    kind = socket.SOCK_STREAM if port.protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind | socket.SOCK_CLOEXEC) as sock:
        if port.protocol == "tcp":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((port.host, port.port))
        except OSError as error:
            where = f"{port.host}:{port.port}/{port.protocol}"
            raise OSError(error.errno, error.strerror, where) from None
        return port._replace(port=sock.getsockname()[1])


def is_low(port: Port) -> bool:
    """Tell whether a port wants CAP_NET_BIND_SERVICE (ip(7)); 0 is one that does not."""
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "rb") as file:
        return 0 < port.port < int(file.read())
