"""``ptyd create``: write a container down, to be started later."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from ptycli.arguments import Failure
from ptycli.cidfile import IdFile
from ptycli.container import Container
from ptycli.interruption import Interrupted, Interruption
from ptycli.order import REFUSED
from ptycli.request import parse
from ptycli.run import make
from ptykeep import state

if TYPE_CHECKING:
    import argparse


def main(arguments: list[str]) -> int:
    options = parse(arguments, "create")
    dirs = state.directories()
    state.prepare(dirs)
    identity = os.urandom(32).hex()
    container = Container(dirs, identity, state.container_dir(dirs, identity))
    try:
        with Interruption(), IdFile(options.cidfile, container):
            notices = _make(container, options)
            try:
                note_creation(container, options.name)
            except BaseException:
                state.remove_container(dirs, identity)
                raise
    except Interrupted as signal_:
        return 128 + signal_.number
    if sys.stderr.isatty():
        for notice in notices:
            print(f"ptyd: {notice}", file=sys.stderr)
    print(identity)
    return 0


def _make(container: Container, options: argparse.Namespace) -> list[str]:
    """Write it down; what is in the way then is no mistake of the command line's."""
    try:
        return make(container, options)
    except Failure as failure:
        raise Failure(str(failure), REFUSED) from None


def note_creation(container: Container, name: str) -> None:
    """Write down, for the keeper that is to come, that the container is whole."""
    from ptykeep import exits

    exits.prepare(container.directory)
    fields = {
        "format": 1,
        "id": container.id,
        "name": name,
        "status": "created",
        "created": time.time(),
        "epoch": 0,
    }
    state.write_json(f"{container.directory}/state.json", fields)
