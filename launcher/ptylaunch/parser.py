"""The whole command line, by argparse: help, versions, mistakes, and what is written unusually."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ptylaunch.arguments import LATER, declare_commands, declare_general
from ptylaunch.default import OCI_VERSION
from ptylaunch.errors import Refused
from ptylaunch.plain import REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION: Final = "0.1.0"


class _Formatter(argparse.RawDescriptionHelpFormatter):  # raw: the version has two lines
    """Lines of 78: to ask how wide the terminal is argparse loads shutil."""

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
        self.register("action", REFUSED, _NotSupported)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        if convert := settings.get("type"):
            settings["type"] = _telling(convert)
        return super().add_argument(*names, **settings)

    def error(self, message: str) -> NoReturn:
        raise Refused(message)

    def _print_message(self, message: str, file: object = None) -> None:  # noqa: ARG002
        """Print help or a version; argparse's own forgives a full disk."""
        sys.stdout.write(message)


def _telling(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """Have argparse say of which option it is that a value is refused."""

    def told(text: str) -> Any:
        try:
            return convert(text)
        except Refused as refusal:
            raise argparse.ArgumentTypeError(str(refusal)) from None

    return told


def parse_anything(argv: list[str]) -> argparse.Namespace:
    """Return what was asked for; Refused when it makes no sense."""
    parser = _Parser(prog="ptylaunch", description="Run isolated processes from OCI bundles.")
    parser.add_argument(
        "--version",
        "-v",
        action="version",
        version=f"ptylaunch version {VERSION}\nspec: {OCI_VERSION}",
    )
    declare_general(parser)
    declare_commands(parser.add_subparsers(dest="command", required=True, metavar="COMMAND"))
    arguments, unknown = parser.parse_known_args(argv)
    if arguments.command in LATER:
        raise Refused(f"{arguments.command} is not supported yet")
    if unknown:
        raise Refused(f"unrecognized arguments: {' '.join(unknown)}")
    return arguments
