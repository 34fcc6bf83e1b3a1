"""The command line: runc's, with what crun adds that podman and the test suites use.

What is declared here has two readers. ``plain`` reads what nearly every command line is; the parser
of the standard library, which takes 6 ms more, reads all others, and says what is wrong with them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from ptylaunch import plain
from ptylaunch.errors import Refused
from ptylaunch.folder import default_root
from ptylaunch.plain import REFUSED, REST

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection

    from ptylaunch.plain import Commands, Declarations

LATER: Final = ("checkpoint", "restore")
_UNLIMITED: Final = ("kernel-memory", "kernel-memory-tcp", "l3-cache-schema", "mem-bw-schema")
"""Flags of runc's update for limits that a config.json cannot have here either."""
_SWITCH: Final = ("true", "false", "auto")


def parse(argv: list[str]) -> Namespace:
    """Return what was asked for; ``run`` in it is the function that does it."""
    arguments = plain.read(argv, declare_general, declare_commands)
    if arguments is None:
        from ptylaunch.parser import parse_anything  # which loads argparse

        arguments = parse_anything(argv)
    if arguments.systemd_cgroup or arguments.cgroup_manager == "systemd":
        raise Refused("cgroups made by systemd are not supported yet")
    return arguments


def declare_general(parser: Declarations) -> None:
    """Declare what stands before the command."""
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


def declare_commands(commands: Commands, names: Collection[str] | None = None) -> None:
    """Declare all commands, or those among ``names`` and perhaps some more."""
    for add, added in _GROUPS:
        if names is None or not added.isdisjoint(names):
            add(commands)


def _add_makers(commands: Commands) -> None:
    for name, run, text in (
        ("create", "creation.create", "build a box whose program waits for start"),
        ("run", "creation.run", "build a box, run its program, wait for its end"),
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


def _add_exec(commands: Commands) -> None:
    command = _add(commands, "exec", "execution.execute", "run another program in a container")
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
        command.add_argument(name, action=REFUSED)
    command.add_argument(
        "--ignore-paused", action="store_true", help="wait until a paused container goes on"
    )
    command.add_argument("id", metavar="ID")
    command.add_argument("args", metavar="COMMAND", nargs=REST)


def _add_meters(commands: Commands) -> None:
    from ptylaunch.metering import FLAGS  # wanted by nobody else

    update = _add(commands, "update", "metering.update", "change a container's limits")
    update.add_argument(
        "--resources", "-r", metavar="FILE", help="JSON as linux.resources has it; - is stdin"
    )
    for name, (_, _, text) in FLAGS.items():
        update.add_argument("--" + name, metavar="N", help=text)
    for name in _UNLIMITED:
        update.add_argument("--" + name, action=REFUSED)
    update.add_argument("id", metavar="ID")
    events = _add(
        commands, "events", "metering.show_events", "print what a container uses, as JSON"
    )
    events.add_argument("--interval", metavar="TIME", default="5s", help="default: 5s")
    events.add_argument("--stats", action="store_true", help="once")
    events.add_argument("id", metavar="ID")


def _add_container_commands(commands: Commands) -> None:
    start = _add(commands, "start", "lifecycle.start", "let a created container's program run")
    start.add_argument("id", metavar="ID")
    kill = _add(commands, "kill", "lifecycle.kill", "send a signal (TERM) to a container")
    kill.add_argument("--all", "-a", action="store_true", help="to every process in it")
    kill.add_argument("id", metavar="ID")
    kill.add_argument("signal", metavar="SIGNAL", nargs="?", default="TERM")
    for name, run, text in (
        ("pause", "lifecycle.pause", "hold all processes of a container"),
        ("resume", "lifecycle.resume", "let them go on"),
    ):
        _add(commands, name, run, text).add_argument("id", metavar="ID")
    delete = _add(commands, "delete", "lifecycle.delete", "remove a container that has ended")
    delete.add_argument("--force", "-f", action="store_true", help="end it first")
    delete.add_argument("id", metavar="ID")


def _add_lookers(commands: Commands) -> None:
    state = _add(commands, "state", "listing.show_state", "print a container's state as JSON")
    state.add_argument("id", metavar="ID")
    listed = _add(commands, "list", "listing.show_list", "list containers")
    listed.add_argument("--format", "-f", choices=("table", "json"), default="table")
    listed.add_argument("--quiet", "-q", action="store_true", help="ids only")
    ps = _add(commands, "ps", "listing.show_processes", "list the processes of a container")
    ps.add_argument("--format", "-f", choices=("table", "json"), default="table")
    ps.add_argument("id", metavar="ID")
    ps.add_argument("ps", nargs=REST, metavar="PS-OPTION", help="options of ps (default: -ef)")
    spec = _add(commands, "spec", "default.write_spec", "write a config.json to start from")
    spec.add_argument("--bundle", "-b", default=".", help="folder to write it in (default: here)")
    spec.add_argument("--config", "-f", metavar="FILE", help="another file; - is standard output")
    spec.add_argument("--rootless", action="store_true", help="for an ordinary user")
    _add(commands, "features", "default.show_features", "print what this runtime can do, as JSON")


def _add(commands: Commands, name: str, place: str, text: str) -> Declarations:
    """Declare a command that the function ``place``, ``module.name``, does."""
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=_Verb(place))
    return command


class _Verb:
    """A function whose module is imported when it is called: no command needs them all."""

    def __init__(self, place: str) -> None:
        self._module, _, self._name = place.partition(".")

    def __call__(self, arguments: Namespace) -> int:
        own = f"ptylaunch.{self._module}"
        __import__(own)  # not importlib's, which would have to be loaded
        done: int = getattr(sys.modules[own], self._name)(arguments)
        return done


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 4:
        raise Refused(f"{text!r} is no number of fds")
    return int(text)


def _id(text: str) -> int:
    if not text.isdecimal() or int(text) >= (1 << 32) - 1:
        raise Refused(f"{text!r} is no id")
    return int(text)


def _add_later(commands: Commands) -> None:
    for name in LATER:
        commands.add_parser(name, help="not supported yet")


_GROUPS: Final = (
    (_add_makers, frozenset({"create", "run"})),
    (_add_exec, frozenset({"exec"})),
    (_add_meters, frozenset({"update", "events"})),
    (_add_container_commands, frozenset({"start", "kill", "pause", "resume", "delete"})),
    (_add_lookers, frozenset({"state", "list", "ps", "spec", "features"})),
    (_add_later, frozenset[str]()),
)
