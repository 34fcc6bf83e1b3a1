"""``ptyd import``: an archive of a root file system becomes an image."""

from __future__ import annotations

import os
import stat
import sys
from typing import IO, TYPE_CHECKING, Final, cast

from ptycli.arguments import Failure, Parser
from ptykeep import state

if TYPE_CHECKING:
    from ptycli.image.layout import Descriptor

USAGE: Final = "ptyd import [-c CHANGE]… [-m MESSAGE] FILE|- [NAME[:TAG]]"


def main(arguments: list[str]) -> int:
    parser = Parser(
        "import", "Make an image of an archive (tar, also gzip, bzip2, xz, zstd).", USAGE
    )
    parser.add_argument(
        "-c", "--change", action="append", default=[], metavar="CHANGE",
        help="a line of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, WORKDIR",
    )  # fmt: skip
    parser.add_argument("-m", "--message", default="", help="kept in its history")
    parser.add_argument("file", metavar="FILE", help="- for standard input")
    parser.add_argument("name", metavar="NAME[:TAG]", nargs="?", help="default: imported")
    options = parser.parse_args(arguments)
    from ptycli.image.catalog import full_name
    from ptycli.image.change import read_changes
    from ptylaunch.errors import LaunchFailed

    name = full_name(options.name or "imported")
    if name is None:
        raise Failure(f"{options.name!r}: an image's name is like debian:12, in small letters")
    config = read_changes(options.change)
    dirs = state.directories()
    state.prepare(dirs)
    try:
        with _open(options.file) as source:
            print(import_archive(dirs, name, source, config, options.message))
    except LaunchFailed as failure:
        line = failure.detail if failure.stage == "image" else str(failure)
        raise Failure(f"{options.file}: {line}", 1) from None
    return 0


def import_archive(
    dirs: state.Dirs, name: str, source: IO[bytes], config: dict[str, object], message: str
) -> str:
    """Keep an archive as an image, proven by unpacking it; return its id."""
    from ptycli.image.archive import keep_archive, make_image
    from ptycli.image.catalog import changing, put
    from ptycli.image.store import own_maps, unpack

    with changing(dirs) as folder:
        layer: Descriptor = keep_archive(folder, source)
        image, manifest = make_image(folder, layer, config, message)
        unpack(dirs, image, own_maps())
        put(dirs, name, manifest)
    return image.id


def _open(path: str) -> IO[bytes]:
    """Open the archive; a folder or a device that never ends is none."""
    if path == "-":
        return cast("IO[bytes]", open(os.dup(sys.stdin.fileno()), "rb", buffering=0))
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}", 1) from None
    kind = os.fstat(fd).st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
        os.close(fd)
        raise Failure(f"{path}: a folder or device is no archive", 1)
    return cast("IO[bytes]", open(fd, "rb", buffering=0))
