"""``ptyd inspect``: all that the files of a container or image say, as JSON or by a template."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from ptycli.arguments import Failure, Parser, for_stdout, printable
from ptycli.container import find
from ptycli.description import describe
from ptycli.row import written
from ptycli.template.value import to_json

if TYPE_CHECKING:
    from collections.abc import Callable

USAGE: Final = "ptyd inspect [-f FORMAT] [-s] [--type container|image] NAME [NAME…]"
_TYPES: Final = ("container", "image")


def main(arguments: list[str]) -> int:
    parser = Parser("inspect", "Show containers and images as JSON.", USAGE)
    parser.add_argument(
        "-f", "--format", default="", help="json: one a line; or a template, '{{.State.Pid}}'"
    )
    parser.add_argument("-s", "--size", action="store_true", help="SizeRw: what it has written")
    parser.add_argument("--type", choices=_TYPES, help="only one of these is looked for")
    parser.add_argument("names", metavar="NAME", nargs="+")
    options = parser.parse_args(arguments)
    render = renderer(options.format)
    found: list[dict[str, Any]] = []
    code = 0
    for name in options.names:
        try:
            found.append(look(name, size=options.size, kind=options.type))
        except Failure as failure:  # of the others everything is shown, as docker does
            print(f"ptyd inspect: {printable(str(failure))}", file=sys.stderr)
            code = 1
    if render is None:  # docker's list is there though it be empty
        print(json.dumps(found, indent=2))
    elif render is not None:
        print(for_stdout("".join(f"{render(each)}\n" for each in found)), end="")
    return code


def renderer(form: str) -> Callable[[Any], str] | None:
    """Return what makes a line of an object; None where all are one list."""
    if form in ("", "json"):
        return to_json if form else None
    from ptycli.template.evaluation import Template  # for who wants one

    return Template(form).render


def show_one(
    parser: Parser,
    arguments: list[str],
    describe: Callable[[], dict[str, Any]],
    tell: Callable[[dict[str, Any]], None],
) -> int:
    """Print one object as ``--format`` asks, else have it told in the verb's own words."""
    parser.add_argument("-f", "--format", default="", help="json, or a template")
    render = renderer(parser.parse_args(arguments).format)
    described = describe()
    if render is not None:
        print(render(described))
    else:
        tell(described)
    return 0


def look(name: str, *, size: bool, kind: str | None) -> dict[str, Any]:
    """Describe the container of a name, or else the image; raise Failure."""
    if kind == "image":
        return _look_for_image(name)
    try:
        container = find(name)
    except Failure:
        if kind is not None:
            raise
        try:
            return _look_for_image(name)
        except Failure:
            pass  # a container is what is meant most often
        raise
    described = describe(container)
    return {**described, "SizeRw": written(container)} if size else described


def _look_for_image(name: str) -> dict[str, Any]:
    from ptycli.image_description import describe_image  # and all that images want

    return describe_image(name)
