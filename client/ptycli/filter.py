"""``--filter KEY=VALUE``: which rows a verb shows. Of one key any value will do, all keys must."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ptycli.arguments import Failure

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Mapping, Sequence


def add_filter(parser: ArgumentParser, keys: Sequence[str]) -> None:
    parser.add_argument(
        "-f",
        "--filter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"only those with it; keys: {', '.join(keys)}",
    )


def parse_filters(texts: Sequence[str], keys: Sequence[str]) -> dict[str, list[str]]:
    """Return the values by key; raise Failure, exit code 1 as docker's."""
    found: dict[str, list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise Failure(f"--filter {text!r}: it looks like KEY=VALUE", 1)
        key = key.strip().lower()
        if key not in keys:
            raise Failure(f"--filter {key!r}: there is {', '.join(keys)}", 1)
        found.setdefault(key, []).append(value.strip())
    return found


def has_name(name: str, wanted: str) -> bool:
    """Tell whether a name has the text in it; ``^`` and ``$`` hold it to the ends, as docker's."""
    text = wanted.removeprefix("^")
    at_start, at_end = text != wanted, text.endswith("$")
    text = text.removesuffix("$").removeprefix("/")
    if at_start and at_end:
        return name == text
    if at_start or at_end:
        return name.startswith(text) if at_start else name.endswith(text)
    return text in name


def has_label(labels: Mapping[str, str], wanted: str) -> bool:
    """Tell whether there is a label ``K``, or one ``K=V``."""
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)
