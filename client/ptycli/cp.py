"""``ptyd cp``: files and folders between a container and here, as docker copies them."""

from __future__ import annotations

import argparse
import errno
import os
import posixpath
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from ptycli.arguments import Failure, Parser, is_utf8, printable
from ptycli.container import RUNNING, Container, find
from ptycli.copying import stream
from ptycli.copying.fault import line_of
from ptycli.copying.pack import Report, pack
from ptycli.copying.place import Host
from ptycli.copying.unpack import Terms, unpack
from ptycli.interruption import Interrupted, Interruption
from ptycli.order import REFUSED
from ptycli.row import human_size
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from typing import IO

USAGE: Final = "ptyd cp [OPTIONS] NAME:SRC DEST | SRC NAME:DEST, - for SRC or DEST: a tar archive"
_EPILOG: Final = """\
A path in a container begins at its root. A file goes into DEST if that is a folder, else it becomes
DEST; a folder goes into DEST if that is there, else it becomes DEST, and SRC/. is what is in it. A
path here with a colon in it is written ./FILE:NAME. What is copied belongs to you, or in the
container to its root; what was set-user-id in the container is not any more here. -a keeps owners
and these bits. Sockets and devices are left out, and a folder that is there keeps its mode."""
_PLAIN: Final = 0o777
_ALL: Final = 0o7777


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    try:
        with Interruption():
            return 0 if copy(options) else REFUSED
    except LaunchFailed as failure:
        raise Failure(printable(line_of(failure)), REFUSED) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise Failure(printable(f"{where}{error.strerror}"), REFUSED) from None
    except Interrupted as signal_:
        return 128 + signal_.number


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser("cp", "Copy files between a container and here.", USAGE)
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("-a", "--archive", action="store_true", help="keep the owners, as numbers")
    add("-L", "--follow-link", action="store_true", help="if SRC is a link, what it leads to")
    add("-q", "--quiet", action="store_true", help="do not say how much was copied")
    add("source", metavar="NAME:SRC")
    add("destination", metavar="NAME:DEST")
    options = parser.parse_args(arguments)
    source, destination = split(options.source), split(options.destination)
    for _, path in (source, destination):
        if not path or "\0" in path:
            raise Failure("neither SRC nor DEST can be empty", REFUSED)
    if source[0] and destination[0]:
        raise Failure("copying between containers is not supported", REFUSED)
    if not (source[0] or destination[0]):
        raise Failure("one of SRC and DEST is of a container: NAME:PATH", REFUSED)
    options.name = source[0] or destination[0]
    options.out = bool(source[0])
    options.source, options.destination = source[1], destination[1]
    return options


def split(text: str) -> tuple[str, str]:
    """Return the name of a container and a path in it; no name for a path here."""
    name, colon, path = text.partition(":")
    if not colon or text.startswith("/") or name.startswith("."):
        return "", text
    return name, path


def copy(options: argparse.Namespace) -> bool:
    """Do it, return whether all was copied; LaunchFailed, OSError or Failure with why not."""
    try:
        container = find(options.name)
    except Failure as failure:
        raise Failure(str(failure), REFUSED) from None
    return copy_out(container, options) if options.out else copy_in(container, options)


def copy_out(container: Container, options: argparse.Namespace) -> bool:
    to_stdout = options.destination == "-"
    if to_stdout and os.isatty(1):
        raise Failure("an archive is not for a terminal: lead standard output elsewhere", REFUSED)
    if options.archive and not to_stdout and os.geteuid() != 0:
        raise Failure("-a: only root can give files here to others", REFUSED)
    work = partial(stream.pack_inside, options.source, follow=options.follow_link)
    size = 0
    os.umask(0)  # modes are the source's
    with stream.reading(container, options.name, work) as (reading, visit):
        if to_stdout:
            _pass_on(reading)
        else:
            terms = Terms(
                kept=options.archive,
                follow=False,
                modes=_ALL if options.archive else _PLAIN,
                whole=True,
            )
            size = unpack(Host(), _local(options.destination), reading, terms)
    report = Report.parse(visit.said)
    _notice(report)
    if not to_stdout:
        _tell(options, size, options.destination)
    return report.whole


def copy_in(container: Container, options: argparse.Namespace) -> bool:
    from_stdin = options.source == "-"
    terms = Terms(kept=options.archive, follow=from_stdin, modes=_ALL, whole=not from_stdin)
    work = partial(stream.unpack_inside, options.destination, terms)
    where = f"{options.name}:{options.destination}"
    report = Report("")
    try:
        with stream.writing(container, options.name, work) as (writing, visit):
            if from_stdin:
                _pour(writing)
            else:
                path = _local(options.source)
                report = pack(Host(), path, writing, follow=options.follow_link)
    except LaunchFailed as failure:
        if failure.errno != errno.EROFS:
            raise
        idle = container.read_state()["status"] not in RUNNING
        why = ": memory is there only while the container runs" if idle else ""
        raise Failure(f"{where} is read-only{why}", REFUSED) from None
    _notice(report)
    _tell(options, int(visit.said), where)
    return report.whole


def _pour(fd: int) -> None:
    """Write what comes on standard input, unpacked whatever it is packed with."""
    from contextlib import ExitStack  # only for this

    from ptycli.image.archive import pieces, unpacked

    with ExitStack() as held:
        source = held.enter_context(open(0, "rb", buffering=0, closefd=False))
        for data in pieces(unpacked(source, held)):
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]


def _local(path: str) -> str:
    """Return an absolute path that means what was given: what it ends in says how it is meant."""
    whole = os.path.abspath(path)
    if posixpath.basename(path) == "." and path != "..":
        return whole + "/."
    return whole + "/" if path.endswith("/") and whole != "/" else whole


def _pass_on(reading: IO[bytes]) -> None:
    while data := reading.read(1 << 18):
        sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _tell(options: argparse.Namespace, size: int, where: str) -> None:
    if not options.quiet:
        shown = where if is_utf8(where) else repr(where)
        print(f"Successfully copied {human_size(size)} to {printable(shown)}", file=sys.stderr)


def _notice(report: Report) -> None:
    if report.line:
        print(f"ptyd cp: {printable(report.line)}", file=sys.stderr)
