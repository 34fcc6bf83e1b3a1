"""``ptyd image``: docker's other names for images, inspect, import and rmi; and prune."""

from __future__ import annotations

import sys
from typing import Final

from ptycli.arguments import Failure, Parser, meant
from ptykeep import state

USAGE: Final = "ptyd image ls|inspect|rm|import|prune [OPTIONS] …"
COMMANDS: Final = ("ls", "list", "inspect", "rm", "remove", "import", "prune")


def main(arguments: list[str]) -> int:
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    match command:
        case "ls" | "list":
            from ptycli.images import main as run
        case "inspect":
            from ptycli.inspect import main as run

            rest = ["--type", "image", *rest]
        case "rm" | "remove":
            from ptycli.rmi import main as run
        case "import":
            from ptycli.importing import main as run
        case "prune":
            return prune(rest)
        case "-h" | "--help":
            print(f"usage: {USAGE}")
            return 0
        case _:
            raise Failure(f"there is no {command!r}{meant(command, COMMANDS)}: {USAGE}")
    return run(rest)


def prune(arguments: list[str]) -> int:
    parser = Parser(
        "image prune", "Remove images that no container has.", "ptyd image prune [-a] [-f]"
    )
    parser.add_argument("-a", "--all", action="store_true", help="those with names, too")
    parser.add_argument("-f", "--force", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)
    if not options.force and sys.stdin.isatty():
        print("This removes images that no container has. Go on? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            return 0
    from ptycli.rmi import prune as remove

    print(
        "".join(f"{name}\n" for name in remove(state.directories(), everything=options.all)), end=""
    )
    return 0
