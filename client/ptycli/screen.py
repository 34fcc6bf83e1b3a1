"""``ptyd screen``: what can be seen on a session's screen, as text."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from ptycli.arguments import Failure, Parser, natural, session_of
from ptycli.container import find, wait_for_keeper

if TYPE_CHECKING:
    from ptycli.container import Container
    from ptyd.screen.shown import Screen

_MOST: Final = 1000
"""Rows of scrollback that are kept of a screen."""
_FIRST_SIZE: Final = (24, 80)
"""Rows and columns until the first record says others."""
_PIECE: Final = 1 << 20
_PAUSE: Final = 0.1
"""Seconds in which a keeper that ended its server ends, too."""


def main(arguments: list[str]) -> int:
    parser = Parser(
        "screen",
        "Print what is on a session's screen now; of one that has ended, what was left on it.",
        "ptyd screen [--text|--ansi|--json] [--scrollback N] NAME[/N]",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--text", dest="form", action="store_const", const="text", help="default")
    form.add_argument(
        "--ansi", dest="form", action="store_const", const="ansi", help="with its colours"
    )
    form.add_argument(
        "--json",
        dest="form",
        action="store_const",
        const="json",
        help="with cursor, title, and each run of cells of one style",
    )
    parser.add_argument(
        "--scrollback",
        type=natural,
        default=0,
        metavar="N",
        help=f"with up to N rows above it, at most {_MOST}",
    )
    parser.add_argument("name", metavar="NAME[/N]")
    options = parser.parse_args(arguments)
    name, session = session_of(options.name)
    screen = look(find(name), name, session, min(options.scrollback, _MOST))
    if options.form == "json":
        print(json.dumps(screen.to_json(), ensure_ascii=False))
        return 0
    rows = screen.scrollback + screen.lines
    for row in rows:
        print(row.ansi if options.form == "ansi" else row.text)
    return 0


def look(container: Container, name: str, session: int, scrollback: int) -> Screen:
    """Return the screen, from the server while there is one, else from the journal."""
    from ptyc.session import Session, SessionError

    if container.keeper_pid is not None:
        try:
            return Session(f"{name}/{session}").screen(scrollback=scrollback)
        except SessionError as error:
            if not wait_for_keeper(container, _PAUSE):
                raise Failure(str(error)) from None
    folder = f"{container.directory}/sessions/{session}/journal"
    if not os.path.isdir(folder):
        raise Failure(f"{name}/{session}: there is no such session")
    return last_screen(folder, scrollback)


def last_screen(folder: str, scrollback: int) -> Screen:
    """Return the screen at the end of a journal that nobody writes any more."""
    from ptyd.journal.journal import Journal
    from ptyd.screen.follower import Follower
    from ptyd.screen.shown import shown

    journal = Journal(folder)
    journal.load()
    follower = Follower(folder, *_FIRST_SIZE, _MOST, keep=0)
    try:
        follower.grow(journal.end)
        while follower.is_behind:
            follower.step(_PIECE)
        return shown(follower.emulator, scrollback)
    finally:
        follower.close()
