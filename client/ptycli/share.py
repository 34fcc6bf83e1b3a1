"""``ptyd share``: mint a token and print the link that carries it."""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
import time
from typing import Any

from ptycli.arguments import Failure, Parser, session_of
from ptycli.certificate import fingerprint
from ptycli.container import Container, find
from ptykeep import state
from ptywire.link import Link, format_link

_ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def main(arguments: list[str]) -> int:
    parser = Parser(
        "share",
        "Print a link to a session. It opens the session to whoever has it.",
        "ptyd share [--view | --control | --revoke] [--expires 30m] NAME[/N]",
    )
    role = parser.add_mutually_exclusive_group()
    role.add_argument("--view", action="store_true", help="may only watch (default)")
    role.add_argument("--control", action="store_true", help="may type, resize and signal")
    role.add_argument(
        "--revoke", action="store_true", help="withdraw every link; who came by one is sent away"
    )
    parser.add_argument("--expires", metavar="TIME", help="30s, 30m, 12h or 7d from now")
    parser.add_argument("name", metavar="NAME[/N]")
    options = parser.parse_args(arguments)
    name, session = session_of(options.name)
    container = find(name)
    fields = container.read_state()
    if fields["status"] == "exited":
        raise Failure(f"{name} has ended")
    if not fields.get("listeners"):
        raise Failure(f"{name} was not started yet")
    if options.revoke:
        _write(container.directory, [])
        return 0
    expires = time.time() + _seconds(options.expires) if options.expires else None
    role_name = "control" if options.control else "view"
    print(link_to(container, fields["listeners"], role_name, session=session, expires=expires))
    return 0


def link_to(
    container: Container,
    listeners: list[dict[str, Any]],
    role: str,
    *,
    session: int = 0,
    expires: float | None = None,
) -> str:
    """Mint a token and return its link; raise Failure when nothing listens for it."""
    served = [listener for listener in listeners if listener["dialect"] == "ptyd.v1"]
    if not served:
        raise Failure("the container has no listener: it was run with --listen none")
    listener = served[0]
    tls = bool(listener["tls"])
    link = Link(
        reachable(listener["host"]),
        listener["port"],
        mint(container.directory, role, expires, session),
        session,
        fingerprint(container.options["cert"]) if tls else "",
        tls,
    )
    return format_link(link)


def mint(directory: str, role: str, expires: float | None = None, session: int = 0) -> str:
    """Add a token of 192 bits to tokens.json and return it; only its SHA-256 is kept."""
    token = secrets.token_urlsafe(24)
    digest = hashlib.sha256(token.encode()).hexdigest()
    path = f"{directory}/tokens.json"
    # Two shares at once must not lose one's token.
    with open(f"{directory}/tokens.lock", "ab") as lock:
        import fcntl  # only where a token is minted

        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            tokens: list[Any] = state.read_json(path)["tokens"]
        except FileNotFoundError:
            tokens = []
        now = time.time()
        tokens = [entry for entry in tokens if not entry["expires"] or entry["expires"] > now]
        entry = {"sha256": digest, "role": role, "created": now, "expires": expires}
        tokens.append({**entry, "session": session})
        _write(directory, tokens)
    return token


def _write(directory: str, tokens: list[Any]) -> None:
    """Replace the tokens; the container's server, whose group the file has, may read them."""
    state.write_json(f"{directory}/tokens.json", {"tokens": tokens}, 0o640)


def reachable(host: str) -> str:
    """Return an address under which others reach a listener that is bound to every address."""
    if host not in _ANY_ADDRESS:
        return host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket only asks the routing table; nothing is sent (udp(7)).
            probe.connect(("2001:db8::1" if ":" in host else "192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "::1" if ":" in host else "127.0.0.1"


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if match is None:
        raise Failure(f"--expires {text}: a time is a number with s, m, h or d")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
