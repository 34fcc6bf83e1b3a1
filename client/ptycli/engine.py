"""``ptyd run --runtime``: which program builds the box."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ptycli.arguments import Failure

if TYPE_CHECKING:
    import argparse

NATIVE: Final = "native"
RUNTIMES: Final = ("runc", "crun")
"""The others that have been tried."""
_MORE_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where Debian has runc, and where an ordinary user's PATH does not lead."""


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runtime",
        metavar="NAME",
        default=NATIVE,
        help="native (default): ours; runc, crun or a path: another OCI runtime builds the box",
    )


def check_option(options: argparse.Namespace) -> None:
    """Put the runtime's path in the place of its name, "" for ours; raise Failure."""
    options.runtime = find_runtime(options.runtime)
    if not options.runtime:
        options.init = options.init is not False
        return
    name = os.path.basename(options.runtime)
    if options.init:
        raise Failure(f"--runtime {name}: --init wants the native engine")
    options.init = False
    # Roots are overlays, idmapped for root, and mounted at /: our launcher's doing.
    for option in ("image", "rootfs", "writable"):
        if getattr(options, option):
            raise Failure(f"--runtime {name}: --{option} wants the native engine")
    if os.geteuid() == 0:
        return
    # The owner of the box may not look at its namespaces before its program runs: it was made by
    # a program of the host's (ptrace(2), "Ptrace access mode checking").
    if options.network == "private" or options.publish or options.allow_host:
        raise Failure(f"--runtime {name}: --network private wants the native engine, or root")
    options.network = options.network or "none"
    if options.resources:
        raise Failure(f"--runtime {name}: limits want the native engine, or root")


def find_runtime(name: str) -> str:
    """Return the absolute path of a runtime, "" for our own; raise Failure."""
    if name == NATIVE:
        return ""
    path = _find(name)
    if not path:
        raise Failure(f"--runtime {name}: it is not installed, or not executable")
    return os.path.abspath(path)


def is_installed(name: str) -> bool:
    """Tell whether there is such a runtime."""
    return bool(_find(name))


def _find(name: str) -> str:
    import shutil  # three compression libraries come with it

    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_MORE_PATH}") or ""
