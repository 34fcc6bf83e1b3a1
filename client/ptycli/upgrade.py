"""``ptyd upgrade``: this ptyd's server in place of the one that runs; programs do not notice.

The keeper replaces the server (SIGHUP), clients come back at the exact byte. Where the new server
does not start, the one before is put back.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptycli.arguments import Failure, Parser, printable
from ptycli.container import Container, every, find, signal_keeper, wait_for_keeper
from ptykeep import installation
from ptykeep.forerunner import import_path
from ptykeep.installation import Installation, chosen, here
from ptywire.release import RELEASE

if TYPE_CHECKING:
    from collections.abc import Sequence

_READY_WITHIN: Final = 15.0
"""Seconds for a server to come, the two included that the old one has to go."""
_ANSWER_WITHIN: Final = 2.0
_PAUSE: Final = 0.05
_AT_ONCE: Final = 64
"""Servers that are asked at the same time."""
_UNKNOWN: Final = "?"
_KEEPERS: Final = Installation("", [], "")
"""Stands for that of the keeper, which only it knows."""


class Upgrade(NamedTuple):
    """One container whose server is being replaced."""

    container: Container
    name: str
    release: str
    pid: int | None
    before: Installation | None


def main(arguments: list[str]) -> int:
    parser = Parser(
        "upgrade",
        "Put the ptyd that is installed in place of the servers that run. Programs go on, clients "
        "come back by themselves.",
        "ptyd upgrade [--check] NAME [NAME…] | --all",
    )
    parser.add_argument("-a", "--all", action="store_true", help="every container that runs")
    parser.add_argument("--check", action="store_true", help="only say which version runs")
    parser.add_argument("names", metavar="NAME", nargs="*")
    options = parser.parse_args(arguments)
    if bool(options.names) == options.all:
        raise Failure("either names of containers or --all")
    containers = list(running(options.names))
    releases = releases_of([container for _, container in containers])
    if options.check:
        for (name, _), runs in zip(containers, releases, strict=True):
            print(
                f"{name}: {runs}, installed is {RELEASE}" if runs != RELEASE else f"{name}: {runs}"
            )
        return 0
    begun = [
        begin(container, name, release)
        for (name, container), release in zip(containers, releases, strict=True)
    ]
    return max([finish(each) for each in begun], default=0)


def running(names: Sequence[str]) -> list[tuple[str, Container]]:
    """Return the containers asked for, all that run if none are; raise Failure."""
    if not names:
        alive = [each for each in every() if each.keeper_pid is not None]
        return [(each.read_state()["name"], each) for each in alive]
    found = [(name, find(name)) for name in names]
    for name, container in found:
        if container.keeper_pid is None:
            raise Failure(f"{name} has ended: nothing serves it")
    return found


def begin(container: Container, name: str, release: str) -> Upgrade:
    """Ask for this ptyd's server."""
    pid = container.read_state().get("server_pid")
    before = chosen(container.directory, _KEEPERS)
    kept = None if before is _KEEPERS else before
    upgrade = Upgrade(container, name, release, pid, kept)
    installation.choose(container.directory, here(import_path()))
    signal_keeper(container, signal.SIGHUP)
    return upgrade


def finish(upgrade: Upgrade) -> int:
    """Wait for the server and tell; return the exit status."""
    container, name = upgrade.container, upgrade.name
    if wait_for_server(container, upgrade.pid):
        print(f"{name}: {upgrade.release} -> {release_of(container)}", flush=True)
        return 0
    if container.keeper_pid is None:
        print(f"{name}: has ended meanwhile", flush=True)
        return 0
    installation.choose(container.directory, upgrade.before)
    signal_keeper(container, signal.SIGHUP)
    now = "the one before serves it again"
    if not wait_for_server(container, upgrade.pid):
        now = "nor does the one before; its program goes on"
    why = last_line(f"{container.directory}/server.log")
    print(f"ptyd upgrade: {name}: the new server does not start ({why}), {now}", file=sys.stderr)
    return 1


def wait_for_server(container: Container, old: int | None) -> bool:
    """Wait until another server than ``old`` serves."""
    deadline = time.monotonic() + _READY_WITHIN
    while container.read_state().get("server_pid") in (None, old):
        if time.monotonic() > deadline or wait_for_keeper(container, _PAUSE):
            return False
    return True


def releases_of(containers: list[Container]) -> list[str]:
    """Return what each server says of itself; those that hang are waited for at the same time."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(pool.map(release_of, containers))


def release_of(container: Container) -> str:
    """Return what a server says of itself; a question mark of one that is older, or hangs."""
    answer = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(_ANSWER_WITHIN)
            sock.connect(container.control)
            sock.sendall(b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while (data := sock.recv(4096)) and len(answer) < 1 << 16:
                answer += data
    except OSError:
        return _UNKNOWN
    head, _, body = answer.partition(b"\r\n\r\n")
    try:
        fields: Any = json.loads(body) if head.startswith(b"HTTP/1.1 200 ") else {}
        return printable(str(fields["Version"]))
    except (ValueError, KeyError, TypeError):
        return _UNKNOWN


def last_line(path: str) -> str:
    """Return what a log ends with, printable."""
    try:
        with open(path, "rb") as file:
            lines = file.read()[-4096:].decode("utf-8", "replace").split("\n")
    except OSError:
        return "no log"
    line = next((line for line in reversed(lines) if line.strip()), "no word of it")
    return printable(line)[:200]
