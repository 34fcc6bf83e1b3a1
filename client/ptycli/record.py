"""``ptyd record``: a session's output as an asciicast, from its beginning to its end, live."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ptycli.arguments import Failure, Parser
from ptycli.interruption import Interrupted, Interruption
from ptycli.transcript.choice import asciicast
from ptycli.transcript.outlet import Outlet
from ptycli.transcript.selection import CHUNK
from ptycli.transcript.source import Source
from ptyd.journal.index import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ptycli.transcript.asciicast import Asciicast
    from ptyd.journal.reader import Extent


def main(arguments: list[str]) -> int:
    parser = Parser(
        "record",
        "Record a session as an asciicast (v3), until it ends. What it printed before is in it.",
        "ptyd record [--title T] [--overwrite] NAME[/N] FILE",
    )
    parser.add_argument("--title", help="for who watches it; default the container's name")
    parser.add_argument("--overwrite", action="store_true", help="a FILE that is there")
    parser.add_argument("name", metavar="NAME[/N]")
    parser.add_argument("file", metavar="FILE", help="- is standard output")
    options = parser.parse_args(arguments)
    source = Source(options.name)
    about = {} if options.title is None else {"title": options.title}
    form = asciicast(source.container, source.session, **about)
    fd = open_file(options.file, overwrite=options.overwrite)
    try:
        with Interruption():
            return record(source, form, fd)
    except Interrupted as signal:
        return 128 + signal.number  # the file is whole up to here: each write is of whole lines
    finally:
        if fd != 1:
            os.close(fd)


def open_file(path: str, *, overwrite: bool) -> int:
    """Return a descriptor of a new file; raise Failure where one is there."""
    if path == "-":
        sys.stdout.flush()
        return 1
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if overwrite else os.O_EXCL)
    try:
        return os.open(path, flags, 0o600)
    except FileExistsError:
        raise Failure(f"{path} is there already: --overwrite replaces it") from None


def record(source: Source, form: Asciicast, fd: int) -> int:
    """Write all of it as it comes; return the exit status, 1 if bytes are missing."""
    outlet = Outlet()
    has_gap = False
    for extent in source.extents(follow=True, out=fd):
        has_gap = has_gap or bool(extent.gap)
        for events in encode(form, extent):
            outlet.write(fd, events)
    outlet.write(fd, form.finish())
    if source.is_cut:
        print(f"ptyd record: {source.lost_words}", file=sys.stderr)
    return int(has_gap or source.is_cut)


def encode(form: Asciicast, extent: Extent) -> Iterator[bytes]:
    """Yield the events of an extent; bytes that were dropped before it are a marker."""
    if extent.gap:
        print(f"ptyd record: {extent.gap} bytes were dropped here", file=sys.stderr, flush=True)
        yield form.mark_gap(extent.gap)
    for item in extent.items:
        if isinstance(item, Record):
            yield form.mark(item)
            continue
        # Not a run at a time, which may be a segment: six bytes of JSON for one are a long line.
        for start in range(item.start, item.end, CHUNK):
            data = extent.read(start, min(start + CHUNK, item.end))
            yield form.feed(item.kind, item.time_ns, data)
