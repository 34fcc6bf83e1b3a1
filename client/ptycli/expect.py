"""``ptyd expect``: wait until something is on a session's screen, or is printed."""

from __future__ import annotations

import sys
from typing import Final

from ptycli.arguments import Failure, Parser, printable, seconds, session_of
from ptycli.container import find

PATIENCE: Final = 60.0
TIME_OVER: Final = 1
ENDED: Final = 2


def main(arguments: list[str]) -> int:
    parser = Parser(
        "expect",
        "Wait for a regular expression: on the screen, which may show it already, or in what is "
        "printed from now on, without control sequences. Exit status: 0 found, and printed; "
        f"{TIME_OVER} the time is over; {ENDED} the program ended without it.",
        "ptyd expect [--timeout S] [--screen|--stream] NAME[/N] REGEX",
    )
    parser.add_argument(
        "--timeout", type=seconds, default=PATIENCE, metavar="S", help=f"default {PATIENCE:.0f}"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--screen", dest="where", action="store_const", const="screen", help="only on the screen"
    )
    where.add_argument(
        "--stream", dest="where", action="store_const", const="stream", help="only what is new"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing")
    parser.add_argument("name", metavar="NAME[/N]")
    parser.add_argument("pattern", metavar="REGEX", help="Python's; ^ and $ are a line's ends")
    options = parser.parse_args(arguments)
    name, session = session_of(options.name)
    find(name)
    from ptyc.session import Session, SessionEnded, SessionError

    try:
        found = Session(f"{name}/{session}").expect(
            options.pattern, where=options.where or "both", timeout=options.timeout
        )
    except SessionEnded as ended:
        print(f"ptyd expect: {ended}", file=sys.stderr)
        return ENDED
    except SessionError as error:
        raise Failure(str(error)) from None
    except TimeoutError:
        print(f"ptyd expect: not found in {options.timeout:g} s", file=sys.stderr)
        return TIME_OVER
    if not options.quiet:
        print(printable(found.match[0], but="\n\t"))  # half a sequence is text to a pattern
    return 0
