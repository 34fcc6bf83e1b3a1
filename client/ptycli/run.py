"""``ptyd run``: write a container down, start its keeper, and attach to it."""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import sys
from typing import TYPE_CHECKING, Any

from ptyc.address import Target
from ptycli.arguments import Failure
from ptycli.bundle import write_down
from ptycli.cidfile import IdFile
from ptycli.container import RUNNING, Container, open_keeper, signal_keeper, wait_for_end
from ptycli.interruption import Interrupted, Interruption
from ptycli.request import parse
from ptycli.rm import remove
from ptykeep import state
from ptykeep.launch import StartFailed, Starting, start_keeper
from ptywire.lean import without

if TYPE_CHECKING:
    import argparse

_PATIENCE = 5.0
"""Seconds that a keeper which could not start may take to end."""


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    dirs = state.directories()
    state.prepare(dirs)
    identity = os.urandom(32).hex()
    container = Container(dirs, identity, state.container_dir(dirs, identity))
    try:
        with Interruption() as interruption, IdFile(options.cidfile, container):
            tell(container, options, *start(container, options, interruption))
            if not options.detach:
                return attach(container, options, interruption)
            print(identity, flush=True)
            return 0
    except Interrupted as signal_:
        return 128 + signal_.number


def start(
    container: Container, options: argparse.Namespace, interruption: Interruption
) -> tuple[dict[str, Any], list[str]]:
    """Make a container and start its program; return what the keeper says, and notices.

    Raise Failure or Interrupted with nothing left of it.
    """
    notices = make(container, options)
    try:
        interruption.hold()  # from here on there is more to end than files
        starting = start_keeper(container.dirs.data, container.dirs.run, container.id)
    except BaseException:
        state.remove_container(container.dirs, container.id)
        raise
    try:
        if not options.detach:
            import_client()  # while the keeper is at work
        poll = select.poll()
        poll.register(interruption, select.POLLIN)
        poll.register(starting, select.POLLIN)
        poll.poll()
        interruption.check()
        started = starting.wait()
        interruption.check()
    except StartFailed as error:
        starting.wait_for_end(_PATIENCE)
        if container.keeper_pid is None:
            state.remove_container(container.dirs, container.id)
        raise Failure(str(error), error.exit_code) from None
    except Interrupted:
        abandon(container, starting)
        raise
    return started, notices


def make(container: Container, options: argparse.Namespace) -> list[str]:
    """Write a container down; return notices. Raise with nothing left of it."""
    try:
        os.mkdir(container.directory, 0o700)
        return write_down(container, options)
    except BaseException:
        state.remove_container(container.dirs, container.id)
        raise


def abandon(container: Container, starting: Starting) -> None:
    """End a keeper wherever it is, and remove its container."""
    starting.interrupt()
    try:
        starting.wait()
    except StartFailed:
        starting.wait_for_end(_PATIENCE)
    remove(container, container.id)


def import_client() -> None:
    gc.disable()  # imports make the collector look, and find nothing
    importlib.import_module("ptyc.attach")
    with without("importlib.metadata"):
        importlib.import_module("websockets.client")  # half of it
    gc.freeze()
    gc.enable()


def attach(
    container: Container,
    options: argparse.Namespace,
    interruption: Interruption,
    begin: int | str = "start",
) -> int:
    """Attach in the foreground from the offset ``begin`` on, or what stands for one on the wire.

    Return the program's exit status, or 0 after a detach.
    """
    from ptyc.attach import Options
    from ptyc.attach import attach as attach_to
    from ptyc.name import user_name
    from ptyc.proxy import Proxy

    proxy = Proxy(interruption.take)
    # Now: while it removes the container its lock is gone, and it is not.
    keeper = open_keeper(container) if options.rm else None
    code = attach_to(
        Target(path=container.control, name=options.name),
        Options(
            stdin=not options.no_stdin,
            detach_keys=options.detach_keys,
            detach_names=options.detach_names,
            from_=begin,
            tty=options.tty,
            hold=True,
            sig_proxy=options.sig_proxy,
            name=user_name() if options.known_as is None else options.known_as,
            counts=not options.no_size,
            clipboard=options.clipboard,
        ),
        proxy,
    )
    if proxy.waiting:
        # The program was to hear of it and there was no server to tell it: its keeper ends it.
        signal_keeper(container, signal.SIGTERM)
        return 128 + proxy.waiting[0]
    if keeper is not None and container.read_state()["status"] not in (*RUNNING, "restarting"):
        wait_for_end(keeper, 5.0)  # it removes what is left
    return code


def tell(
    container: Container, options: argparse.Namespace, started: dict[str, Any], notices: list[str]
) -> None:
    """Tell a person, not a script, what there is: on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        return
    for notice in notices:
        print(f"ptyd: {notice}", file=sys.stderr)
    if options.listen != "none":
        from ptycli.share import link_to

        link = link_to(container, started["listeners"], "control")
        print(f"ptyd: {options.name} is at {link}", file=sys.stderr)
