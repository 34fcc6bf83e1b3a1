"""Which network a box gets, which ports of the host lead into it, and what it knows of names."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptycli import surroundings
from ptycli.arguments import Failure
from ptylaunch.errors import LaunchFailed

# What knows of networks is loaded where there is to be one: 5 ms that --network none goes without.
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from ptycli.surroundings import Surroundings
    from ptykeep.helper import Port
    from ptykeep.netlink import Prefix

_SUBNETS: Final = ("10.0.2", "10.254.2", "172.31.254", "192.168.254", "10.198.51", "198.18.2")
"""For the box's side; the first that the host has no way to, or its way there would be hidden."""

_HOSTS: Final = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
_DOCKERS: Final = {"bridge": "private", "default": None}
"""Docker's names of what a box has unless it is said otherwise."""
_MOST_EXPOSED: Final = 1000
_HOST_NAMES: Final = "host.containers.internal host.docker.internal"


class Choice(NamedTuple):
    """``mode`` is none, host or private; ``wish`` is for the keeper, when it is private."""

    mode: str
    wish: dict[str, Any] | None = None
    notice: str = ""
    """One line for the user when there is no network, and nobody asked for none."""


def add_options(add: Callable[..., Any]) -> None:
    add(
        "--network",
        choices=("none", "host", "private", "bridge", "default"),
        help="private, or bridge: outwards, but not to this host; the default where pasta or "
        "slirp4netns is",
    )
    add("--allow-host", action="store_true", help="let --network private reach this host, too")
    add(
        "-p",
        "--publish",
        metavar="[HOST:]HPORT:CPORT",
        action="append",
        default=[],
        help="lead a port of this host into the box; HOST is 127.0.0.1, CPORT may end in /udp",
    )
    add("-P", "--publish-all", action="store_true", help="publish what is exposed")
    add("--expose", metavar="PORT", action="append", default=[], help="for -P, as an image's")
    surroundings.add_options(add)


def check_options(options: argparse.Namespace) -> None:
    """Read ``-p`` and its like; raise Failure for what does not go together."""
    options.network = _DOCKERS.get(options.network, options.network)
    options.publish = [parse_port(text) for text in options.publish]
    options.expose = [port for text in options.expose for port in parse_exposed(text)]
    surroundings.check_options(options)
    taken = [port[:3] for port in options.publish if port.port]
    for port in options.publish:
        if taken.count(port[:3]) > 1:
            raise Failure(f"-p: {port.host}:{port.port} is given twice")
    if options.network in ("none", "host"):
        for option, given in (("-p", options.publish), ("--allow-host", options.allow_host)):
            if given:
                raise Failure(f"{option} wants --network private")


def parse_port(text: str) -> Port:
    """Read ``[[HOST:]HPORT:]CPORT[/tcp|/udp]``."""
    ports, slash, protocol = text.partition("/")
    outside, _, inside = ports.rpartition(":")
    host, _, port = outside.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    numbers = [int(number) for number in (port or "0", inside) if _is_port(number)]
    good = surroundings.is_address(host) and protocol in (("tcp", "udp") if slash else ("",))
    if len(numbers) != 2 or not numbers[1] or not good:
        raise Failure(f"-p {text}: it looks like [HOST:]HPORT:CPORT, HOST an address")
    from ptykeep.helper import Port

    return Port(protocol or "tcp", host, *numbers)


def parse_exposed(text: str) -> list[Port]:
    """Read ``PORT[-PORT][/tcp|/udp]``."""
    numbers, slash, protocol = text.partition("/")
    first, dash, last = numbers.partition("-")
    ends = (first, last if dash else first)
    if not all(map(_is_port, ends)) or protocol not in (("tcp", "udp") if slash else ("",)):
        raise Failure(f"--expose {text}: it looks like 80, 80/udp or 8000-8010")
    from ptykeep.helper import Port

    wanted = range(int(ends[0]), int(ends[1]) + 1)
    if not 0 < len(wanted) <= _MOST_EXPOSED or not wanted[0]:
        raise Failure(f"--expose {text}: 1 to {_MOST_EXPOSED} ports are exposed")
    return [Port(protocol or "tcp", "127.0.0.1", 0, number) for number in wanted]


def choose_network(options: argparse.Namespace, exposed: list[Port]) -> Choice:
    """Decide; raise Failure when what was asked for cannot be."""
    if options.network in ("none", "host"):
        return Choice(options.network)
    from ptykeep.host import choose, has_default_route

    ports = options.publish + (exposed + options.expose if options.publish_all else [])
    try:
        choose([port for port in ports if port.port])
        _try_tun()
        subnet = _free_subnet()
    except (LaunchFailed, OSError) as error:
        reason = _reason(error)
        if options.network or options.publish or options.allow_host:
            raise Failure(f"--network private: {reason}") from None
        return Choice("none", notice=f"the box has no network: {reason}")
    wish = {
        "subnet": subnet,
        "ipv6": has_default_route(socket.AF_INET6),
        "allow_host": options.allow_host,
        "ports": [port._asdict() for port in ports],
    }
    return Choice("private", wish)


def etc_files(choice: Choice, hostname: str, asked: Surroundings) -> dict[str, str]:
    """Return the files of /etc that say who and where one is, by name; raise Failure."""
    gateway = ""
    hosts, resolv = _HOSTS + f"127.0.1.1\t{hostname}\n", ""
    if choice.mode == "host":
        hosts, resolv = _read("/etc/hosts") or hosts, _read("/etc/resolv.conf")
    elif choice.wish is not None:
        subnet = choice.wish["subnet"]
        hosts = _HOSTS + f"{subnet}.100\t{hostname}\n"
        if choice.wish["allow_host"]:
            gateway = f"{subnet}.2"
            hosts += f"{gateway}\t{_HOST_NAMES}\n"
        resolv = f"nameserver {subnet}.3\n"
    return {
        "hosts": hosts + asked.hosts(gateway),
        "hostname": hostname + "\n",
        "resolv.conf": asked.resolv(resolv),
    }


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < 65536


def _try_tun() -> None:
    """Raise OSError when the device is not there, or not ours to open."""
    os.close(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))


def _free_subnet() -> str:
    from ptykeep.netlink import prefix_of, routes

    used = [route.to for route in routes() if route.to.length]
    for subnet in _SUBNETS:
        prefix = prefix_of(f"{subnet}.0/24")
        if not any(_overlap(prefix, other) for other in used):
            return subnet
    raise OSError(errno.EADDRNOTAVAIL, "the host has routes to every subnet that a box could have")


def _overlap(one: Prefix, other: Prefix) -> bool:
    return one.covers(other) or other.covers(one)


def _reason(error: LaunchFailed | OSError) -> str:
    if isinstance(error, OSError):
        return ": ".join(part for part in (error.filename, error.strerror) if part)
    return error.detail


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
