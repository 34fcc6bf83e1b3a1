"""``ptyd send``: type into a session, as a person at its terminal would."""

from __future__ import annotations

import sys
from typing import Final

from ptycli.arguments import Failure, Parser, seconds, session_of
from ptycli.container import find

PATIENCE: Final = 20.0
_LARGEST: Final = 64 << 20
"""Bytes of standard input with ``-``."""


def main(arguments: list[str]) -> int:
    parser = Parser(
        "send",
        "Type TEXT into a session, then press keys; done when its terminal has taken them.",
        "ptyd send [--keys 'C-c Enter'] [--paste] NAME[/N] [TEXT]",
    )
    parser.add_argument(
        "--keys",
        default="",
        metavar="KEYS",
        help="pressed after the text: C-c, M-x, S-Up, Enter, Escape, F5, any character, …",
    )
    parser.add_argument(
        "--paste", action="store_true", help="as a paste, in brackets where those are wanted"
    )
    parser.add_argument(
        "--timeout", type=seconds, default=PATIENCE, metavar="S", help=f"default {PATIENCE:.0f}"
    )
    parser.add_argument("name", metavar="NAME[/N]")
    parser.add_argument("text", metavar="TEXT", nargs="?", default="", help="- for standard input")
    options = parser.parse_args(arguments)
    name, session = session_of(options.name)
    find(name)
    text = sys.stdin.read(_LARGEST) if options.text == "-" else options.text
    from ptyc.session import Session, SessionError

    try:
        to = Session(f"{name}/{session}")
        to.send(text, keys=options.keys, paste=options.paste, timeout=options.timeout)
    except SessionError as error:
        raise Failure(str(error)) from None
    except TimeoutError:
        raise Failure(f"the program took not all of it in {options.timeout:g} s") from None
    return 0
