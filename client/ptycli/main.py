"""``ptyd VERB …``: finds the verb's file and turns what goes wrong into one line and a code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Final, NoReturn

from ptycli.arguments import Failure

VERBS: Final = {
    "run": "start a program in a box, and attach to it",
    "attach": "attach this terminal to a session",
    "ps": "list containers",
    "logs": "print what a session printed",
    "inspect": "show everything known of a container, as JSON",
    "share": "make a link that lets others watch or drive",
    "stop": "ask programs to end, and see to it",
    "rm": "remove containers that have ended",
}
"""The verbs and what they do; each is a module of this package with the same name."""

_OWN_FAILURE: Final = 125


def usage() -> str:
    lines = [f"  {verb:9}{does}" for verb, does in VERBS.items()]
    return "\n".join(
        (
            "usage: ptyd VERB [OPTIONS] …",
            "",
            *lines,
            "",
            "ptyd VERB --help tells more of one; ptyd --version tells which this is.",
        )
    )


def version() -> str:
    from importlib.metadata import version as installed  # 30 ms, for this answer only

    return f"ptyd {installed('ptyd')}"


def main() -> NoReturn:
    """Run one verb; exit with its code."""
    sys.exit(dispatch(sys.argv[1:]))


def dispatch(arguments: list[str]) -> int:
    """Return the exit code of one command line."""
    verb = arguments[0] if arguments else "--help"
    if verb in ("--help", "-h", "help"):
        print(usage())
        return 0
    if verb in ("--version", "version"):
        print(version())
        return 0
    if verb not in VERBS:
        print(f"ptyd: there is no verb {verb!r}{_meant(verb)}; see ptyd --help", file=sys.stderr)
        return _OWN_FAILURE
    try:
        code: int = importlib.import_module(f"ptycli.{verb}").main(arguments[1:])
        sys.stdout.flush()
        return code
    except Failure as error:
        print(f"ptyd {verb}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of our output has seen enough, as in ptyd logs | head.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:  # the last resort: a bug is one line too, unless it is asked for
        if os.environ.get("PTYD_DEBUG") or not isinstance(error, OSError):
            return _confess(verb, error)
        where = f"{error.filename}: " if error.filename else ""
        print(f"ptyd {verb}: {where}{error.strerror or error}", file=sys.stderr)
        return _OWN_FAILURE


def _confess(verb: str, error: Exception) -> int:
    if os.environ.get("PTYD_DEBUG"):
        raise error
    line = f"{type(error).__name__}: {error}; this is a bug, PTYD_DEBUG=1 shows where"
    print(f"ptyd {verb}: {line}", file=sys.stderr)
    return _OWN_FAILURE


def _meant(verb: str) -> str:
    from difflib import get_close_matches  # only for a mistake

    close = get_close_matches(verb, VERBS, n=1)
    return f", did you mean {close[0]}?" if close else ""
