"""``ptyd port``: where the ports of a container lead to."""

from __future__ import annotations

from typing import Any, Final

from ptycli.arguments import Failure, Parser
from ptycli.container import find

USAGE: Final = "ptyd port NAME [PORT[/PROTOCOL]]"


def main(arguments: list[str]) -> int:
    parser = Parser("port", "Show where a container's ports lead to.", USAGE)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("port", metavar="PORT[/PROTOCOL]", nargs="?", help="of this one alone")
    options = parser.parse_args(arguments)
    wanted = _parse(options.port) if options.port is not None else None
    ports = published(find(options.name).read_state())
    found = [each for each in ports if wanted in (None, (each["inside"], each["protocol"]))]
    if wanted is not None and not found:
        raise Failure(f"{options.name}: port {wanted[0]}/{wanted[1]} is not published", 1)
    for each in found:
        inside = f"{each['inside']}/{each['protocol']} -> " if wanted is None else ""
        host: str = each["host"]
        print(f"{inside}{f'[{host}]' if ':' in host else host}:{each['port']}")
    return 0


def published(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the ports that lead into a container now, in order."""
    if fields["status"] == "exited":
        return []
    network: dict[str, Any] = fields.get("network") or {}
    return sorted(network.get("ports", ()), key=lambda port: (port["inside"], port["protocol"]))


def _parse(text: str) -> tuple[int, str]:
    number, slash, protocol = text.partition("/")
    protocol = protocol if slash else "tcp"
    is_number = number.isascii() and number.isdecimal() and len(number) < 6
    if not is_number or protocol not in ("tcp", "udp"):
        raise Failure(f"{text!r}: it looks like PORT, PORT/tcp or PORT/udp", 1)
    return int(number), protocol
