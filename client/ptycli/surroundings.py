"""What a box is told of other hosts: docker's ``--add-host`` and ``--dns``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptycli.arguments import Failure

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?")
_OPTION: Final = re.compile(r"[!-~]{1,100}")
_GATEWAY: Final = "host-gateway"
"""Docker's word for this host."""


class Surroundings(NamedTuple):
    """Lines to be added to /etc/hosts, and to be put in place of /etc/resolv.conf's own."""

    names: tuple[tuple[str, str], ...] = ()
    """Addresses and names."""
    servers: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def hosts(self, gateway: str) -> str:
        """Return lines of /etc/hosts; ``gateway`` is this host's address, empty if it has none."""
        lines: list[str] = []
        for address, name in self.names:
            if address == _GATEWAY and not gateway:
                raise Failure(f"--add-host {name}: {_GATEWAY} wants --allow-host")
            lines.append(f"{gateway if address == _GATEWAY else address}\t{name}\n")
        return "".join(lines)

    def resolv(self, text: str) -> str:
        """Return /etc/resolv.conf with what was asked for, and the rest as it is."""
        asked = {
            ("nameserver",): [f"nameserver {each}" for each in self.servers],
            ("search", "domain"): ["search " + " ".join(self.domains)] if self.domains else [],
            ("options",): ["options " + " ".join(self.options)] if self.options else [],
        }
        replaced = {word for words, lines in asked.items() if lines for word in words}
        kept = [line for line in text.splitlines() if (line.split() or [""])[0] not in replaced]
        lines = [*(line for lines in asked.values() for line in lines), *kept]
        # Docker's way of asking for none.
        return "".join(f"{line}\n" for line in lines if line != "search .")


def add_options(add: Callable[..., Any]) -> None:
    add(
        "--add-host",
        metavar="NAME:ADDRESS",
        action="append",
        default=[],
        help="a name for /etc/hosts; host-gateway is this host, with --allow-host",
    )
    add("--dns", metavar="ADDRESS", action="append", default=[], help="who is asked for names")
    add("--dns-search", metavar="DOMAIN", action="append", default=[], help="where they may end")
    add("--dns-option", "--dns-opt", metavar="OPTION", action="append", default=[])


def check_options(options: argparse.Namespace) -> None:
    """Put ``surroundings`` in the place of what was asked for; raise Failure."""
    for text in options.dns:
        if not is_address(text):
            raise Failure(f"--dns {text}: it is an address")
    for text in options.dns_search:
        if text != "." and not _NAME.fullmatch(text):
            raise Failure(f"--dns-search {text}: it is a domain")
    for text in options.dns_option:
        if not _OPTION.fullmatch(text):
            raise Failure(f"--dns-option {text!r}: it is one of resolv.conf's options")
    options.surroundings = Surroundings(
        tuple(parse_host(text) for text in options.add_host),
        tuple(options.dns),
        tuple(options.dns_search),
        tuple(options.dns_option),
    )


def parse_host(text: str) -> tuple[str, str]:
    """Return address and name of ``NAME:ADDRESS`` or ``NAME=ADDRESS``."""
    name, sign, address = text.partition("=" if "=" in text else ":")
    address = address.removeprefix("[").removesuffix("]")
    if not sign or not _NAME.fullmatch(name) or not (address == _GATEWAY or is_address(address)):
        raise Failure(f"--add-host {text}: it looks like NAME:ADDRESS")
    return address, name


def is_address(text: str) -> bool:
    """Tell whether a text is an address of IPv4 or IPv6, without a zone."""
    import ipaddress  # 3 ms, for who names one

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
