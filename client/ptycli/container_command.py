"""``ptyd container VERB``: docker's other names of the verbs about containers."""

from __future__ import annotations

from typing import Final

from ptycli.arguments import Failure, meant

USAGE: Final = "ptyd container VERB [OPTIONS] …"
_SAME: Final = (
    *("attach", "cp", "create", "diff", "exec", "inspect", "kill", "logs", "pause", "port"),
    *("prune", "ps", "rename", "restart", "rm", "run", "start", "stats", "stop", "top"),
    *("unpause", "update", "wait"),
)
VERBS: Final = {**{verb: verb for verb in _SAME}, "ls": "ps", "list": "ps", "remove": "rm"}
"""What may follow, and the verb that it is."""


def resolve(arguments: list[str]) -> list[str]:
    """Return the command line that one of ``ptyd container`` stands for, or the same."""
    if arguments[:1] == ["container"] and arguments[1:2] and arguments[1] in VERBS:
        return [VERBS[arguments[1]], *arguments[2:]]
    return arguments


def main(arguments: list[str]) -> int:
    """Tell what there is: what stands for a verb is not asked for here."""
    command = arguments[0] if arguments else "--help"
    if command not in ("-h", "--help"):
        raise Failure(f"there is no {command!r}{meant(command, VERBS)}: {USAGE}")
    print(f"usage: {USAGE}", "", f"VERB is one of {', '.join(sorted(VERBS))}", sep="\n")
    return 0
