"""``ptyd start``: let the program of a container run that was created, or has ended."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from ptycli.arguments import MISTAKEN, Failure, Parser
from ptycli.container import RUNNING, Container, find, wait_for_keeper
from ptycli.interruption import Interrupted, Interruption
from ptycli.life import add_sig_proxy
from ptycli.order import REFUSED, each, order
from ptycli.run import attach
from ptykeep.launch import StartFailed, start_keeper
from ptykeep.order import NoKeeper

if TYPE_CHECKING:
    import argparse

WITHIN: Final = 90.0
"""Seconds that a start may take: longer than a keeper gives a box that is being built."""
_PAUSE: Final = 0.05
"""Seconds between two looks at a keeper that is about to end, or has just begun."""


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    if not (options.attach or options.interactive):
        return each("start", options.names, start)
    if len(options.names) > 1:
        raise Failure("only one can be started and attached to at a time", REFUSED)
    container = find(options.names[0])
    try:
        with Interruption() as interruption:
            complete(options, container)
            start(container, options.name, foreground=True, size=window(options))
            interruption.hold()
            return attach(container, options, interruption, options.begin)
    except NoKeeper:
        raise Failure(f"{options.name} is not running", REFUSED) from None
    except Interrupted as signal_:
        return 128 + signal_.number


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser("start", "Start containers.", "ptyd start [OPTIONS] NAME [NAME…]")
    add = parser.add_argument
    add("-a", "--attach", action="store_true", help="attach to it, without typing; only one")
    add("-i", "--interactive", action="store_true", help="attach to it, and type")
    add("--detach-keys", metavar="KEYS", default="ctrl-p,ctrl-q", help="'' for none")
    add_sig_proxy(add)
    add("--as", dest="known_as", metavar="NAME", help="what others call us: our user name")
    add("--no-size", action="store_true", help="our window does not count")
    add("--clipboard", action="store_true", help="let the program set our clipboard (OSC 52)")
    add("names", metavar="NAME", nargs="+")
    options = parser.parse_args(arguments)
    from ptywire.detach import parse_keys

    try:
        options.detach_names = options.detach_keys.replace(",", " ")
        options.detach_keys = parse_keys(options.detach_keys)
    except ValueError as error:
        raise Failure(str(error), MISTAKEN) from None
    return options


def complete(options: argparse.Namespace, container: Container) -> None:
    """Say how to attach: from the first byte of what is about to be started."""
    from ptycli.journal import load

    options.name = options.names[0]
    options.no_stdin = not options.interactive
    try:
        own, options.tty = container.options, bool(container.spec["process"]["terminal"])
    except FileNotFoundError:
        raise Failure(f"{options.name} was not made to the end: remove it", REFUSED) from None
    options.rm = own["rm"]
    options.begin = "snapshot"
    if container.read_state()["status"] not in (*RUNNING, "restarting"):
        try:
            options.begin = load(f"{container.directory}/sessions/0/journal").end
        except FileNotFoundError:
            options.begin = "start"


def window(options: argparse.Namespace) -> tuple[int, int] | None:
    from ptyc.terminal import window_size  # only for who attaches

    return None if options.no_size else window_size((1, 0, 2))


def start(
    container: Container,
    name: str,
    *,
    foreground: bool = False,
    size: tuple[int, int] | None = None,
) -> None:
    """Have it run, if it does not; raise Failure with why not.

    Its keeper may be about to end, or somebody else may have started it: then we look again.
    """
    if os.stat(container.directory).st_uid != os.geteuid():
        raise Failure(f"{name} is another user's, who alone can start it", REFUSED)
    how = {"foreground": foreground, "size": size}
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        if container.keeper_pid is not None:
            try:
                order(container, name, {"order": "start", **how}, WITHIN)
                return
            except NoKeeper:
                wait_for_keeper(container, _PAUSE)
                continue
        if not os.path.exists(f"{container.directory}/config.json"):
            raise Failure(f"{name} was not made to the end: remove it", REFUSED)
        starting = start_keeper(container.dirs.data, container.dirs.run, container.id, how)
        try:
            starting.wait()
            return
        except StartFailed as error:
            starting.wait_for_end(_PAUSE)
            if not os.path.exists(f"{container.directory}/config.json"):
                raise Failure(f"no such container: {name}", REFUSED) from None
            if container.keeper_pid is None:
                raise Failure(f"{name}: {error}", REFUSED) from None
    raise Failure(f"{name}: its keeper does not answer", REFUSED)
