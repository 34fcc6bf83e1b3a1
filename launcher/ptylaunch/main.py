"""The command ``ptylaunch``: the part of an OCI runtime's command line that exists so far.

``run`` exits as the program does, else as docker: 125 the box could not be built, 126 the program
cannot be executed, 127 it does not exist. A wrong or unknown command exits 1, as runc's do.
"""

from __future__ import annotations

import argparse
import array
import json
import os
import re
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ptylaunch.cgroup import remove
from ptylaunch.container import Box, build, choose_cgroup
from ptylaunch.default import OCI_VERSION, default_spec, features
from ptylaunch.errors import LaunchFailed
from ptylaunch.init import exit_code

if TYPE_CHECKING:
    from types import FrameType

VERSION: Final = "0.1.0"
_ID: Final = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_+.-]{0,254}")
_LATER: Final = ("create", "start", "state", "kill", "delete", "exec", "list", "ps", "pause",
                 "resume", "update", "events")  # fmt: skip
_PASSED_ON: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line and exits 1, not 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(1, f"ptylaunch: {message}\n")


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    arguments = _parse(sys.argv[1:] if argv is None else argv)
    if arguments.command == "spec":
        print(json.dumps(default_spec(), indent=4))
        return 0
    if arguments.command == "features":
        print(json.dumps(features(), indent=4))
        return 0
    return _run(arguments)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="ptylaunch",
        description="Run an isolated process from an OCI bundle.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"ptylaunch {VERSION}\nspec: {OCI_VERSION}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="build a box, run its program, wait for its end")
    run.add_argument("--bundle", "-b", default=".", help="folder with config.json (default: here)")
    run.add_argument("--console-socket", metavar="PATH", help="unix socket that gets the terminal")
    run.add_argument("id", metavar="ID")
    commands.add_parser("spec", help="print a config.json to start from")
    commands.add_parser("features", help="print what this runtime can do, as JSON")
    if argv and argv[0] in _LATER:
        parser.error(f"{argv[0]} is not supported yet")
    return parser.parse_args(argv)


def _run(arguments: argparse.Namespace) -> int:
    if not _ID.fullmatch(arguments.id):
        return _complain(f"{arguments.id!r} is no name of a container", 1)
    try:
        with open(os.path.join(arguments.bundle, "config.json"), encoding="utf-8") as file:
            spec: Any = json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        return _complain(f"config.json: {error}", 1)
    if not isinstance(spec, dict):
        return _complain("config.json: it must be an object", 1)
    try:
        box = build(spec, arguments.bundle, cgroup=choose_cgroup(spec))  # pyright: ignore[reportUnknownArgumentType]
    except LaunchFailed as failure:
        return _complain(str(failure), failure.exit_code)
    try:
        _hand_over(box, arguments.console_socket)
        _pass_signals_on(box.pid)
        box.start()
    except (OSError, LaunchFailed) as error:
        if isinstance(error, LaunchFailed):
            return _complain(str(error), error.exit_code)
        box.discard()
        return _complain(f"console socket: {error}", 125)
    status = exit_code(os.waitpid(box.init_pid, 0)[1])
    box.close()
    remove(box.cgroup)
    return status


def _hand_over(box: Box, path: str | None) -> None:
    """Send the terminal as runc does: one message, the name of the node and one fd."""
    if box.pty_fd is None:
        return
    if path is None:
        raise OSError("process.terminal is true: --console-socket is needed")
    # It is the receiver's now, who expects to get it as open(2) gives it.
    os.set_blocking(box.pty_fd, True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(path)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [box.pty_fd]))
        sock.sendmsg([b"/dev/ptmx"], [rights])


def _pass_signals_on(pid: int) -> None:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return

    for number in _PASSED_ON:
        signal.signal(number, pass_on)


def _complain(line: str, status: int) -> int:
    print(f"ptylaunch: {line}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
