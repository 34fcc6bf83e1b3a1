"""``ptyd play``: a recording, or what is in a container's journal, shown as it was."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ptycli.arguments import Failure, Parser, factor, seconds
from ptycli.interruption import Interrupted, Interruption
from ptycli.transcript.cast import Cast, Shown, read_cast
from ptycli.transcript.player import Pace, Player
from ptycli.transcript.selection import CHUNK
from ptycli.transcript.source import Source
from ptyd.journal.index import TERMINAL, Record

if TYPE_CHECKING:
    from collections.abc import Iterator


def main(arguments: list[str]) -> int:
    parser = Parser(
        "play",
        "Play an asciicast, or what a session printed. Space pauses, a dot shows the next bytes "
        "of a pause, q and ctrl-c end it.",
        "ptyd play [--speed F] [--idle-limit S] [--from S] FILE|NAME[/N]",
    )
    add = parser.add_argument
    add("-s", "--speed", type=factor, default=1.0, metavar="F", help="times as fast")
    add("-i", "--idle-limit", type=seconds, metavar="S", help="no pause longer than S seconds")
    add("--from", dest="skip", type=seconds, default=0.0, metavar="S", help="at once up to there")
    add("source", metavar="FILE|NAME[/N]", help="a file if there is one, - is standard input")
    options = parser.parse_args(arguments)
    sys.stdout.flush()
    try:
        with Interruption():
            cast = open_cast(options.source)
            limit = cast.idle_limit if options.idle_limit is None else options.idle_limit
            Player().play(cast.shown, Pace(options.speed, limit, options.skip))
    except Interrupted as signal:
        return 128 + signal.number
    return 0


def open_cast(name: str) -> Cast:
    """Return the recording in a file, or the one that a journal is."""
    if name == "-":
        return read_cast("standard input", sys.stdin.buffer)
    if os.path.exists(name) and not os.path.isdir(name):  # a shell's <(…) is a pipe
        return read_cast(name, open(name, "rb"))
    if "/" in name.lstrip("/") and not name.rpartition("/")[2].isdecimal():
        raise Failure(f"{name}: there is no such file")
    return Cast(None, shown_of(Source(name)))


def shown_of(source: Source) -> Iterator[Shown]:
    """Yield what a session printed so far, as a recording."""
    last_ns: int | None = None
    for extent in source.extents(follow=False):
        for item in extent.items:
            if isinstance(item, Record):
                continue
            wait = max(0, item.time_ns - (last_ns or item.time_ns)) / 1e9
            last_ns = item.time_ns
            for start in range(item.start, item.end, CHUNK):
                data = extent.read(start, min(start + CHUNK, item.end))
                if item.kind != TERMINAL:  # no terminal has made line ends of its newlines
                    data = data.replace(b"\n", b"\r\n")
                yield Shown(wait, data)
                wait = 0.0
