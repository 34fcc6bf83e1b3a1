"""``ptyd export``: what a session printed so far, in a file that other programs take."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from ptycli.arguments import Parser
from ptycli.interruption import Interrupted, Interruption
from ptycli.transcript.choice import make
from ptycli.transcript.outlet import Outlet
from ptycli.transcript.selection import CHUNK
from ptycli.transcript.source import Source
from ptycli.transcript.typescript import Typescript
from ptyd.journal.index import Record

if TYPE_CHECKING:
    from ptycli.transcript.format import Format

FORMATS: Final = ("asciicast", "typescript", "json-file", "cri", "raw")


def main(arguments: list[str]) -> int:
    parser = Parser(
        "export",
        "Write a session's output so far to a file. Beside a typescript there is FILE.timing, "
        "for scriptreplay.",
        "ptyd export [--format F] [-o FILE] NAME[/N]",
    )
    add = parser.add_argument
    add("--format", default="asciicast", choices=FORMATS, help="default asciicast (v3)")
    add("-o", "--output", default="-", metavar="FILE", help="default is standard output")
    add("name", metavar="NAME[/N]")
    options = parser.parse_args(arguments)
    source = Source(options.name)
    form = make(options.format, source.container, source.session)
    if options.output == "-":
        sys.stdout.flush()
        return export(source, form, 1)
    try:
        with Interruption():
            return export_to_file(source, form, options.output)
    except Interrupted as signal:
        return 128 + signal.number


def export_to_file(source: Source, form: Format, path: str) -> int:
    """Write ``path``, all of it or nothing: what is there stays until the new one is whole.

    A link stays a link. What is no file, as /dev/null, cannot be replaced: it is written to.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb", buffering=0) as place:
            return export(source, form, place.fileno())
    path = os.path.realpath(path)
    unfinished = f"{path}.{os.getpid()}.new"
    if isinstance(form, Typescript):
        form.keep_timing()
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            code = export(source, form, fd)
        finally:
            os.close(fd)
        if isinstance(form, Typescript):
            with open(f"{path}.timing", "wb") as timing:
                timing.write(form.take_timing())
        os.rename(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
    return code


def export(source: Source, form: Format, fd: int) -> int:
    """Write everything that is there; return the exit status, 1 if bytes are missing."""
    outlet = Outlet()
    missing = 0
    for extent in source.extents(follow=False):
        missing += extent.gap
        for item in extent.items:
            if isinstance(item, Record):
                outlet.write(fd, form.mark(item))
                continue
            for start in range(item.start, item.end, CHUNK):
                data = extent.read(start, min(start + CHUNK, item.end))
                outlet.write(fd, form.feed(item.kind, item.time_ns, data))
    outlet.write(fd, form.finish())
    if missing:
        print(f"ptyd export: {missing} bytes were dropped from the journal", file=sys.stderr)
    if source.is_cut:
        print(f"ptyd export: {source.lost_words}", file=sys.stderr)
    return int(bool(missing) or source.is_cut)
