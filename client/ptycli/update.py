"""``ptyd update``: other limits and another restart policy, at once and from the next start on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ptycli.arguments import Failure, Parser
from ptycli.life import policy_of
from ptycli.limits import add_options, read_changes
from ptycli.order import REFUSED, each, holding, order
from ptykeep import event
from ptykeep.order import NoKeeper
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from ptycli.container import Container

_FIELDS = (
    *("memory", "memory_swap", "memory_reservation", "cpus", "cpu_shares", "cpu_period"),
    *("cpu_quota", "cpuset_cpus", "cpuset_mems", "pids_limit", "restart"),
)


def main(arguments: list[str]) -> int:
    parser = Parser(
        "update", "Change limits and restart policies.", "ptyd update [OPTIONS] NAME [NAME…]"
    )
    add_options(parser)
    parser.add_argument("--restart", metavar="POLICY", help="no, on-failure[:N], always, …")
    parser.add_argument("names", metavar="NAME", nargs="+")
    options = parser.parse_args(arguments)
    if all(getattr(options, field) is None for field in _FIELDS):
        raise Failure("say what is to change: one of the options; see ptyd update --help", REFUSED)
    try:
        fields: dict[str, Any] = {"order": "update", "resources": read_changes(options)}
        if options.restart is not None:
            fields["restart"] = policy_of(options.restart)
    except Failure as failure:
        raise Failure(str(failure), REFUSED) from None
    return each("update", options.names, lambda container, name: update(container, name, fields))


def update(container: Container, name: str, fields: dict[str, Any]) -> None:
    """Have the keeper do it; where there is none it is written down. Raise Failure with why not."""
    try:
        order(container, name, fields)
        return
    except NoKeeper:
        pass
    from ptykeep.revision import revise  # for what does not run

    try:
        with holding(container, name):
            revise(container.directory, fields, None)
            event.note(container.dirs.data, "update", container.read_state())
    except LaunchFailed as failure:
        line = failure.detail if failure.stage == "spec" else failure
        raise Failure(f"{name}: {line}", REFUSED) from None
    except FileNotFoundError:
        raise Failure(f"{name} was not made to the end: remove it", REFUSED) from None
