"""The command line: runc's, with what crun adds that podman and the test suites use."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from ptylaunch import creation, execution, lifecycle, listing, metering
from ptylaunch.default import OCI_VERSION, show_features, write_spec
from ptylaunch.errors import Refused
from ptylaunch.folder import default_root

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    class _Command(Protocol):
        """What a parser is used for here."""

        def add_argument(self, *names: str, **settings: Any) -> object: ...
        def set_defaults(self, **settings: Any) -> None: ...

    class _Commands(Protocol):
        """What add_subparsers returns; argparse has no public name for it."""

        def add_parser(self, name: str, **settings: Any) -> _Command: ...


VERSION: Final = "0.1.0"
_LATER: Final = ("checkpoint", "restore")
_UNLIMITED: Final = (
    "blkio-weight", "cpu-burst", "cpu-idle", "cpu-rt-period", "cpu-rt-runtime", "kernel-memory",
    "kernel-memory-tcp", "l3-cache-schema", "mem-bw-schema",
)  # fmt: skip
"""Flags of runc's update for limits that a config.json cannot have here either."""
_SWITCH: Final = {"true": True, "false": False, "auto": None}


class _Formatter(argparse.RawDescriptionHelpFormatter):  # raw: the version has two lines
    """Lines of 78: to ask how wide the terminal is argparse loads shutil, for every command."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=78)


class _NotSupported(argparse.Action):
    """A flag of runc or crun that means something: it is refused by its name."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse calls it so
        namespace: argparse.Namespace,  # noqa: ARG002
        values: object,  # noqa: ARG002
        option_string: str | None = None,
    ) -> None:
        raise Refused(f"{option_string} is not supported")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as an exception: main has one place for errors."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False, formatter_class=_Formatter)

    def error(self, message: str) -> NoReturn:
        raise Refused(message)


def parse(argv: list[str]) -> argparse.Namespace:
    """Return what was asked for; ``run`` in it is the function that does it."""
    parser = _parser(argv)
    arguments, unknown = parser.parse_known_args(argv)
    if arguments.command in _LATER:
        raise Refused(f"{arguments.command} is not supported yet")
    if unknown:
        raise Refused(f"unrecognized arguments: {' '.join(unknown)}")
    if arguments.systemd_cgroup or arguments.cgroup_manager == "systemd":
        raise Refused("cgroups made by systemd are not supported yet")
    return arguments


class _Unasked:
    """The parser of a command that was not given."""

    def add_argument(self, *names: str, **settings: Any) -> None:
        pass

    def set_defaults(self, **settings: Any) -> None:
        pass


class _Named:
    """Makes the parsers of those commands alone that ``argv`` may mean: of all, it takes 7 ms."""

    def __init__(self, commands: _Commands, argv: Collection[str]) -> None:
        self._commands = commands
        self._argv = argv
        self.made = False

    def add_parser(self, name: str, **settings: Any) -> _Command:
        if name not in self._argv:
            return _Unasked()
        self.made = True
        return self._commands.add_parser(name, **settings)


def _parser(argv: Collection[str]) -> _Parser:
    parser = _Parser(prog="ptylaunch", description="Run isolated processes from OCI bundles.")
    parser.add_argument(
        "--version", "-v", action="version", version=f"ptylaunch {VERSION}\nspec: {OCI_VERSION}"
    )
    parser.add_argument(
        "--root", default=default_root(), help="folder of the containers' state (%(default)s)"
    )
    parser.add_argument("--log", metavar="FILE", help="append what goes wrong to FILE")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--debug", action="store_true", help="have the log tell each command")
    parser.add_argument(
        "--cgroup-manager", choices=("cgroupfs", "systemd", "disabled"), default="cgroupfs"
    )
    parser.add_argument("--systemd-cgroup", action="store_true")
    parser.add_argument("--rootless", choices=_SWITCH, default="auto", help="taken, not needed")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    named = _Named(commands, argv)
    _add_all(named)
    if not named.made:
        _add_all(commands)  # so that help and errors tell of them
    return parser


def _add_all(commands: _Commands) -> None:
    _add_makers(commands)
    _add_exec(commands)
    _add_meters(commands)
    _add_container_commands(commands)
    _add_lookers(commands)
    for name in _LATER:
        commands.add_parser(name, help="not supported yet")


def _add_makers(commands: _Commands) -> None:
    for name, run, text in (
        ("create", creation.create, "build a box whose program waits for start"),
        ("run", creation.run, "build a box, run its program, wait for its end"),
    ):
        command = _add(commands, name, run, text)
        command.add_argument(
            "--bundle", "-b", default=".", help="folder with config.json (default: here)"
        )
        command.add_argument("--config", "-f", metavar="FILE", help="another config.json")
        command.add_argument(
            "--console-socket", metavar="PATH", help="unix socket that gets the terminal"
        )
        command.add_argument("--pid-file", metavar="FILE", help="gets the pid of the container")
        command.add_argument(
            "--preserve-fds", metavar="N", type=_count, default=0, help="pass fds 3 to 2+N on"
        )
        command.add_argument(
            "--no-pivot", action="store_true", help="for a host on an initramfs; the box is weaker"
        )
        command.add_argument(
            "--no-new-keyring", action="store_true", help="stay in the caller's session keyring"
        )
        if name == "run":
            command.add_argument("--detach", "-d", action="store_true", help="do not wait")
            command.add_argument("--keep", action="store_true", help="do not delete it at the end")
        command.add_argument("id", metavar="ID")


def _add_exec(commands: _Commands) -> None:
    command = _add(commands, "exec", execution.execute, "run another program in a container")
    command.add_argument("--process", "-p", metavar="FILE", help="JSON of the program, all of it")
    command.add_argument("--console-socket", metavar="PATH", help="unix socket for the terminal")
    command.add_argument("--pid-file", metavar="FILE", help="gets the pid of the program")
    command.add_argument("--detach", "-d", action="store_true", help="do not wait")
    command.add_argument("--tty", "-t", action="store_true", help="with a terminal of its own")
    command.add_argument("--user", "-u", metavar="USER[:GROUP]", help="names or numbers")
    command.add_argument(
        "--additional-gids", "-g", metavar="GID", type=_id, action="append", default=[]
    )
    command.add_argument("--cwd", metavar="DIR", help="where it runs")
    command.add_argument("--env", "-e", metavar="K=V", action="append", default=[])
    command.add_argument("--cap", "-c", metavar="CAP", action="append", default=[])
    command.add_argument("--no-new-privs", action="store_true")
    command.add_argument("--preserve-fds", metavar="N", type=_count, default=0)
    for name in ("--apparmor", "--process-label", "--cgroup"):
        command.add_argument(name, action=_NotSupported)
    command.add_argument("--ignore-paused", action=_NotSupported, nargs=0)
    command.add_argument("id", metavar="ID")
    command.add_argument("args", metavar="COMMAND", nargs=argparse.REMAINDER)


def _add_meters(commands: _Commands) -> None:
    update = _add(commands, "update", metering.update, "change a container's limits")
    update.add_argument(
        "--resources", "-r", metavar="FILE", help="JSON as linux.resources has it; - is stdin"
    )
    for name, (_, _, text) in metering.FLAGS.items():
        update.add_argument("--" + name, metavar="N", help=text)
    for name in _UNLIMITED:
        update.add_argument("--" + name, action=_NotSupported)
    update.add_argument("id", metavar="ID")
    events = _add(commands, "events", metering.show_events, "print what a container uses, as JSON")
    events.add_argument("--interval", metavar="TIME", default="5s", help="default: 5s")
    events.add_argument("--stats", action="store_true", help="once")
    events.add_argument("id", metavar="ID")


def _add_container_commands(commands: _Commands) -> None:
    start = _add(commands, "start", lifecycle.start, "let a created container's program run")
    start.add_argument("id", metavar="ID")
    kill = _add(commands, "kill", lifecycle.kill, "send a signal (TERM) to a container")
    kill.add_argument("--all", "-a", action="store_true", help="to every process in it")
    kill.add_argument("id", metavar="ID")
    kill.add_argument("signal", metavar="SIGNAL", nargs="?", default="TERM")
    for name, run, text in (
        ("pause", lifecycle.pause, "hold all processes of a container"),
        ("resume", lifecycle.resume, "let them go on"),
    ):
        _add(commands, name, run, text).add_argument("id", metavar="ID")
    delete = _add(commands, "delete", lifecycle.delete, "remove a container that has ended")
    delete.add_argument("--force", "-f", action="store_true", help="end it first")
    delete.add_argument("id", metavar="ID")


def _add_lookers(commands: _Commands) -> None:
    state = _add(commands, "state", listing.show_state, "print a container's state as JSON")
    state.add_argument("id", metavar="ID")
    listed = _add(commands, "list", listing.show_list, "list containers")
    listed.add_argument("--format", "-f", choices=("table", "json"), default="table")
    listed.add_argument("--quiet", "-q", action="store_true", help="ids only")
    ps = _add(commands, "ps", listing.show_processes, "list the processes of a container")
    ps.add_argument("--format", "-f", choices=("table", "json"), default="table")
    ps.add_argument("id", metavar="ID")
    ps.add_argument("ps", nargs="*", metavar="PS-OPTION", help="options of ps (default: -ef)")
    spec = _add(commands, "spec", write_spec, "write a config.json to start from")
    spec.add_argument("--bundle", "-b", default=".", help="folder to write it in (default: here)")
    spec.add_argument("--config", "-f", metavar="FILE", help="another file; - is standard output")
    spec.add_argument("--rootless", action="store_true", help="for an ordinary user")
    _add(commands, "features", show_features, "print what this runtime can do, as JSON")


def _add(
    commands: _Commands, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> _Command:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    return command


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 4:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of fds")
    return int(text)


def _id(text: str) -> int:
    if not text.isdecimal() or int(text) >= (1 << 32) - 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no id")
    return int(text)
