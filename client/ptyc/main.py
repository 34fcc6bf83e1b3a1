"""The ``ptyc`` command: its arguments, and where the token comes from."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from ptyc.fault import FAILED
from ptyc.stdio import open_missing
from ptyc.terminal import is_terminal
from ptywire.detach import DEFAULT, parse_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ptyc.address import Target

_STARTS: Final = ("snapshot", "start", "end")
_EPILOG: Final = """\
TARGET is the NAME of a container on this machine, NAME/N for one of its other sessions, HOST:PORT,
or a whole link. The token comes from --token-file, the link, PTYC_TOKEN, or is asked for.

Behind the detach keys but for the last one (ctrl-p), while others are here:
  w  who is here                     any key brings the screen back, and is not typed
  d  ask for the turn to type        where only one drives (ptyd run --one-driver)
  g  give it to the first who asks   the same
Who comes and goes is told in the title of the window; nothing of it is drawn on the screen.

The exit status is the program's; 0 after a detach; 125 when ptyc itself failed."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, and docker's exit status for a command line that cannot be."""
        self.exit(FAILED, f"ptyc: {message}; ptyc --help says more\n")

    def print_help(self, file: object = None) -> None:  # noqa: ARG002 - argparse calls it so
        _print(self.format_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``ptyc``; return its exit status."""
    open_missing()
    try:
        return _run(_parse(arguments))
    except ValueError as error:
        line = str(error)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback for a user
        line = f"internal error, please report it: {type(error).__name__}: {error}"
    print(f"ptyc: {line}", file=sys.stderr)
    return FAILED


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog="ptyc",
        description="Attach this terminal to a session of ptyd.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("target", metavar="TARGET")
    parser.add_argument("--token-file", metavar="FILE", help="read the token from FILE")
    parser.add_argument(
        "--detach-keys",
        metavar="KEYS",
        default=DEFAULT,
        help=f"keys that leave the session ({DEFAULT}); an empty string switches them off, "
        "and the keys below",
    )
    parser.add_argument("--no-stdin", action="store_true", help="do not read standard input")
    parser.add_argument("--view", action="store_true", help="only watch")
    parser.add_argument(
        "--name", metavar="NAME", help="what others call you (PTYC_NAME, or your user name)"
    )
    parser.add_argument("--no-size", action="store_true", help="leave the session's size to others")
    parser.add_argument(
        "--clipboard", action="store_true", help="let the program set your clipboard (OSC 52)"
    )
    parser.add_argument("--session", type=_natural, default=0, metavar="N", help="session number")
    parser.add_argument(
        "--from",
        dest="start",
        type=_start,
        default="snapshot",
        metavar="WHERE",
        help="start, end, snapshot (the screen, the default), or an offset in bytes",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    return parser.parse_args(arguments)


def _run(arguments: argparse.Namespace) -> int:
    keys = parse_keys(arguments.detach_keys)
    from ptyc.address import parse_target  # after the arguments: --help needs none of this

    target = _with_token(parse_target(arguments.target), arguments.token_file)
    from ptyc.attach import Options, attach
    from ptyc.name import user_name

    options = Options(
        stdin=not arguments.no_stdin,
        detach_keys=keys,
        detach_names=arguments.detach_keys.replace(",", " "),
        from_=arguments.start,
        role="view" if arguments.view else "control",
        session=arguments.session,
        name=user_name() if arguments.name is None else arguments.name,
        counts=not arguments.no_size,
        clipboard=arguments.clipboard,
    )
    return attach(target, options)


def _with_token(target: Target, token_file: str | None) -> Target:
    """Return ``target`` with its token; raise ValueError with a line when there is none."""
    from ptyc.address import check_token

    if target.is_local:
        return target
    if token_file is not None:
        return target._replace(token=check_token(_read_token(token_file)))
    if target.token:
        return target
    if token := os.environ.get("PTYC_TOKEN"):
        return target._replace(token=check_token(token))
    if not is_terminal(0):
        raise ValueError(f"{target.label} wants a token: set PTYC_TOKEN or give --token-file")
    from ptyc.prompt import ask_token

    try:
        return target._replace(token=check_token(ask_token(target.label)))
    except EOFError as error:
        raise ValueError("no token given") from error


def _read_token(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read(4096)
    except OSError as error:
        raise ValueError(f"cannot read the token file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"there is no token in {path}") from error


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)


def _start(text: str) -> int | str:
    return text if text in _STARTS else _natural(text)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version  # 20 ms, only for this

        _print(f"ptyc {version('ptyd')}\n")
        parser.exit()


def _print(text: str) -> None:
    """Print on standard output; raise ValueError with a line where that cannot be.

    By a stream of our own: what sys.stdout could not write Python would try once more at its end,
    and exit with 120.
    """
    try:
        with open(1, "w", encoding="utf-8", closefd=False) as out:
            out.write(text)
    except BrokenPipeError:
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        raise ValueError(f"cannot write to standard output: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
