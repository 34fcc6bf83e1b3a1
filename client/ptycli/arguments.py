"""Command lines: argparse with docker's manners, and failures that are one line."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn

from ptycli.failure import MISTAKEN, Failure, meant, printable, session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "MISTAKEN",
    "NAME",
    "Collected",
    "Failure",
    "Parser",
    "address_of",
    "for_stdout",
    "is_utf8",
    "labels_of",
    "meant",
    "natural",
    "printable",
    "seconds",
    "session_of",
    "size_of",
]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Collected(Exception):
    """The parser of a verb, for who completes its command line."""

    def __init__(self, parser: Parser) -> None:
        super().__init__(parser.prog)
        self.parser = parser


class _Formatter(argparse.HelpFormatter):
    """Knows how wide the terminal is without shutil, which takes 6 ms to load."""

    def __init__(self, prog: str) -> None:
        try:
            width = int(os.environ.get("COLUMNS") or os.get_terminal_size(1).columns)
        except (OSError, ValueError):
            width = 80
        super().__init__(prog, width=max(40, width - 2))


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that neither guesses at abbreviations nor prints usage at a mistake."""

    def __init__(self, verb: str, description: str, usage: str, *, own_h: bool = False) -> None:
        """``own_h``: ``-h`` is an option of the verb's, and only ``--help`` is help."""
        super().__init__(
            prog=f"ptyd {verb}",
            description=description,
            usage=usage,
            allow_abbrev=False,
            formatter_class=_Formatter,
            conflict_handler="resolve" if own_h else "error",
        )

    collecting: ClassVar[bool] = False
    """Whether verbs are only asked for their parsers: parse_args then raises Collected."""

    def parse_args(  # type: ignore[override]  # no namespace of a caller's is wanted
        self, args: Sequence[str] | None = None, namespace: None = None
    ) -> argparse.Namespace:
        if self.collecting:
            raise Collected(self)
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown[0])}")
        return options

    def error(self, message: str) -> NoReturn:
        # As docker has it, whose flags are read before its arguments are counted.
        is_count = message.startswith(("the following arguments are", "unrecognized arguments: "))
        is_flag = message.startswith("unrecognized arguments: -")
        code = None if is_count and not is_flag else MISTAKEN
        raise Failure(f"{message}; see {self.prog} --help", code)

    def print_help(self, file: object = None) -> None:  # noqa: ARG002 - argparse calls it so
        """Print on standard output; argparse's own forgives a full disk."""
        print(self.format_help(), end="")

    def _meant(self, flag: str) -> str:
        return meant(flag.partition("=")[0], self.flags()) if flag.startswith("--") else ""

    def flags(self) -> list[str]:
        """Return every option that is told of, as it is written."""
        told = (action for action in self._actions if action.help != argparse.SUPPRESS)
        return [flag for action in told for flag in action.option_strings]

    def option(self, flag: str) -> argparse.Action | None:
        """Return what an option does, None when there is none of that name."""
        return self._option_string_actions.get(flag)

    def positionals(self) -> list[argparse.Action]:
        """Return the arguments that are no options, in order."""
        return [action for action in self._actions if not action.option_strings]


def for_stdout(text: str) -> str:
    """Return text as it is for a program, printable for a terminal: labels are anybody's."""
    return printable(text, but="\n\t") if sys.stdout.isatty() else text


def is_utf8(text: str) -> bool:
    """Tell whether an argument was text: other bytes come as surrogates (os.fsdecode)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def address_of(text: str, default_host: str = "127.0.0.1") -> tuple[str, int]:
    """Split ``[HOST:]PORT``; brackets around an IPv6 address."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise Failure(f"{text}: an address is PORT or HOST:PORT, the port 0 to 65535")
    return host.strip("[]") or default_host, int(port)


def labels_of(texts: Sequence[str], option: str = "--label") -> dict[str, str]:
    """Return the labels of ``K=V`` or ``K``; of one key the last counts."""
    labels: dict[str, str] = {}
    for text in texts:
        key, _, value = text.partition("=")
        if not key or not is_utf8(text) or "\0" in text:
            raise Failure(f"{option} {text!r}: it looks like KEY=VALUE or KEY", MISTAKEN)
        labels[key] = value
    return labels


def size_of(text: str) -> int:
    """Return bytes of ``64m`` and the like, as docker has it: b, k, m, g, t, powers of 1024.

    Also ``1.5g``, ``64MiB``; a part of a byte is dropped.
    """
    match = re.fullmatch(r"([0-9]{1,15})(?:\.([0-9]{1,9}))? ?(?:([kmgt])i?)?b?", text.lower())
    if match is None:
        raise Failure(f"{text}: a size is a number with b, k, m, g or t", MISTAKEN)
    shift = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}[match[3] or ""]
    fraction = (match[2] or "").ljust(9, "0")
    return (int(match[1] + fraction) << shift) // 10**9


def natural(text: str) -> int:
    """Return a number from 0 on."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Failure(f"{text}: a number from 0 on is wanted", MISTAKEN)
    return int(text)


def seconds(text: str) -> float:
    """Return seconds: a number from 0 on, with a part if need be."""
    return _decimal(text, "seconds are a number from 0 on")


def factor(text: str) -> float:
    """Return how many times as much: a number above 0."""
    wanted = "a number above 0 is wanted, like 2 or 0.5"
    number = _decimal(text, wanted)
    if not number:
        raise Failure(f"{text}: {wanted}", MISTAKEN)
    return number


def _decimal(text: str, wanted: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", text):
        raise Failure(f"{text}: {wanted}", MISTAKEN)
    return float(text)
