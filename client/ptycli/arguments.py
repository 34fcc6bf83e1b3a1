"""Command lines: argparse with docker's manners, and failures that are one line."""

from __future__ import annotations

import argparse
import re
from typing import Final, NoReturn

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Failure(Exception):
    """The command cannot go on; the message is one line for the user."""

    def __init__(self, message: str, exit_code: int = 125) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that neither guesses at abbreviations nor prints usage at a mistake."""

    def __init__(self, verb: str, description: str, usage: str) -> None:
        super().__init__(
            prog=f"ptyd {verb}", description=description, usage=usage, allow_abbrev=False
        )

    def error(self, message: str) -> NoReturn:
        raise Failure(f"{message}; see {self.prog} --help")


def is_utf8(text: str) -> bool:
    """Tell whether an argument was text: other bytes come as surrogates (os.fsdecode)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def session_of(text: str) -> tuple[str, int]:
    """Split ``NAME[/N]``."""
    name, slash, number = text.partition("/")
    if slash and not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise Failure(f"{text}: a session is NAME/N, N a number")
    return name, int(number or 0)


def address_of(text: str, default_host: str = "127.0.0.1") -> tuple[str, int]:
    """Split ``[HOST:]PORT``; brackets around an IPv6 address."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise Failure(f"{text}: an address is PORT or HOST:PORT, the port 0 to 65535")
    return host.strip("[]") or default_host, int(port)


def size_of(text: str) -> int:
    """Return bytes of ``64m`` and the like, as docker has it: b, k, m, g, t, powers of 1024.

    Also ``1.5g``, ``64MiB``; a part of a byte is dropped.
    """
    match = re.fullmatch(r"([0-9]{1,15})(?:\.([0-9]{1,9}))? ?(?:([kmgt])i?)?b?", text.lower())
    if match is None:
        raise Failure(f"{text}: a size is a number with b, k, m, g or t")
    shift = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}[match[3] or ""]
    fraction = (match[2] or "").ljust(9, "0")
    return (int(match[1] + fraction) << shift) // 10**9


def natural(text: str) -> int:
    """Return a number from 0 on."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Failure(f"{text}: a number from 0 on is wanted")
    return int(text)


def seconds(text: str) -> float:
    """Return seconds: a number from 0 on, with a part if need be."""
    match = re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", text)
    if match is None:
        raise Failure(f"{text}: seconds are a number from 0 on")
    return float(text)
