"""``ptyd logs``: what a session printed, from the journal's files, whatever its server does."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from ptycli.transcript.format import Raw
from ptycli.transcript.outlet import Outlet
from ptycli.transcript.selection import CHUNK, Selection, Tail, Window
from ptycli.transcript.source import Source
from ptyd.journal.index import STDERR, Record
from ptylaunch.plain import read_one

if TYPE_CHECKING:
    from argparse import Namespace

    from ptycli.transcript.format import Format
    from ptyd.journal.reader import Extent, Run
    from ptylaunch.plain import Declarations

_FORMATS: Final = ("raw", "json-file", "cri", "asciicast", "typescript")
_USAGE: Final = "ptyd logs [OPTIONS] NAME[/N]"


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    now_ns = time.time_ns()
    since, until = moment_of(options.since, now_ns), moment_of(options.until, now_ns)
    source = Source(options.name)
    if options.to is not None:
        return deliver_to(options, source)
    window = Window(since, until, options.stream)
    selection = select(source, window, tail_of(options.tail))
    printer = Printer(selection, format_of(options, source))
    sys.stdout.flush()
    for extent in source.extents(follow=options.follow, until_ns=until):
        printer.print(extent)
    printer.finish()
    if source.is_cut:
        print(f"ptyd logs: {source.lost_words}", file=sys.stderr)
    return 1 if printer.has_gap or source.is_cut else 0


def parse(arguments: list[str]) -> Namespace:
    """Return the options; argparse is asked only where one has to know more than they are."""
    if (plain := read_one(arguments, declare)) is not None:
        return plain
    from ptycli.arguments import Parser  # a quarter of what the rest takes until the first byte

    parser = Parser("logs", "Print what a session printed.", _USAGE)
    declare(parser)
    return parser.parse_args(arguments)


def declare(parser: Declarations) -> None:
    add = parser.add_argument
    add("-f", "--follow", action="store_true", help="go on until it ends")
    add("-n", "--tail", default="all", metavar="N|all", help="only the last N lines of these")
    add("--since", metavar="TIME", help="lines begun at TIME or later: 2026-01-31T12:00, 90s, …")
    add("--until", metavar="TIME", help="lines begun at TIME or before; with -f, end then")
    add("-t", "--timestamps", action="store_true", help="the time before each line (raw)")
    add(
        "--stream", default="all", choices=("all", "stdout", "stderr"), help="of a program on pipes"
    )
    add("--format", default="raw", choices=_FORMATS, help="as others keep it; see ptyd export, too")
    add("--to", metavar="TARGET", help="json-file=FILE, journald or syslog, from where it stopped")
    add("name", metavar="NAME[/N]")


def deliver_to(options: Namespace, source: Source) -> int:
    """Be a log driver; return the exit code."""
    from ptycli.delivery.deliver import deliver  # for who wants it
    from ptycli.failure import Failure

    if options.tail != "all" or options.since or options.until or options.timestamps:
        raise Failure("--to takes all that there is, once: only -f goes with it", 1)
    if options.stream != "all" or options.format != "raw":
        raise Failure("--to takes all streams, in the form of their place: only -f goes with it", 1)
    return deliver(source, options.to, follow=options.follow)


def tail_of(text: str) -> int | None:
    """Return how many lines; None for all, which is also what docker makes of a bad number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None


def moment_of(text: str | None, now_ns: int) -> int | None:
    """Return nanoseconds of Unix time, None where no moment is asked for; raise Failure."""
    if text is None:
        return None
    from ptycli.moment import moment  # 3 ms, for who wants times

    return moment(text, now_ns)


def format_of(options: Namespace, source: Source) -> Format:
    """Return the format that was asked for."""
    if options.format == "raw":
        return Raw(timestamps=options.timestamps)
    from ptycli.transcript.choice import make  # and what it needs

    return make(options.format, source.container, source.session)


def select(source: Source, window: Window, tail: int | None) -> Selection:
    """Return what is wanted of a journal; its last lines are looked for as it is now."""
    if tail is None:
        return Selection(window)
    wanted, found = Selection(window), Tail()
    reader = source.new_reader()
    try:
        end = reader.end()
        while (extent := reader.take(limit=end)) is not None:
            found.add(extent, wanted.select(extent))
    finally:
        reader.close()
    return Selection(window, found.starts(tail), end)


class Printer:
    """Writes a journal's items to standard output and error."""

    def __init__(self, selection: Selection, form: Format) -> None:
        self.has_gap = False
        self._selection = selection
        self._form = form
        self._outlet = Outlet()

    def print(self, extent: Extent) -> None:
        if extent.gap:
            self.has_gap = True
            tell_of_gap(extent.gap)
        waiting: Run | None = None  # runs that go the same way are written at once
        for item in self._selection.select(extent):
            if isinstance(item, Record):
                self._write(1, self._form.mark(item))
            elif not self._form.is_plain:
                self._convert(extent, item)
            elif waiting is not None and waiting.kind == item.kind and waiting.end == item.start:
                waiting = waiting._replace(end=item.end)
            else:
                self._copy(extent, waiting)
                waiting = item
        self._copy(extent, waiting)

    def finish(self) -> None:
        self._write(1, self._form.finish())

    def _copy(self, extent: Extent, run: Run | None) -> None:
        if run is not None:
            fd = 2 if run.kind == STDERR else 1
            self._outlet.copy(fd, extent.fd, run.start - extent.base, run.end - run.start)

    def _convert(self, extent: Extent, run: Run) -> None:
        fd = 2 if run.kind == STDERR and self._form.has_streams else 1
        for start in range(run.start, run.end, CHUNK):
            data = extent.read(start, min(start + CHUNK, run.end))
            self._write(fd, self._form.feed(run.kind, run.time_ns, data))

    def _write(self, fd: int, data: bytes) -> None:
        if data:
            self._outlet.write(fd, data)


def tell_of_gap(size: int) -> None:
    """Say that bytes are missing."""
    print(f"ptyd logs: {size} bytes were dropped here", file=sys.stderr, flush=True)
