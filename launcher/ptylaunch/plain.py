"""Reads plain command lines, for which argparse need not be loaded: 6 ms of a start.

Plain is ``--name value``, ``--name=value``, ``-n value`` and switches, each spelled out as it was
declared and no value beginning with a dash, then the arguments, all in one place. Whatever else
there is, a mistake above all, is left to argparse: what is read here is read there the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ptylaunch.errors import Refused

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Collection, Sequence
    from typing import Protocol

    class Declarations(Protocol):
        """What is used of a parser, argparse's or ours."""

        def add_argument(self, *names: str, **settings: Any) -> object: ...
        def set_defaults(self, **settings: Any) -> None: ...

    class Commands(Protocol):
        """What add_subparsers returns; argparse has no public name for it."""

        def add_parser(self, name: str, **settings: Any) -> Declarations: ...


REST: Final = "..."  # argparse.REMAINDER
REFUSED: Final = "refused"
"""Action of an option that is there to be refused by its name."""


class _Unplain(Exception):
    """A command line for argparse."""


class _Option(NamedTuple):
    """One option or argument; ``name`` is where its value goes."""

    name: str
    action: str
    many: str
    convert: Callable[[str], Any] | None
    choices: Sequence[str]

    def value(self, text: str) -> Any:
        if self.choices and text not in self.choices:
            raise _Unplain
        return self.convert(text) if self.convert else text


class _Declared:
    """The options and arguments of one command, or those before it."""

    def __init__(self) -> None:
        self.options: dict[str, _Option] = {}
        self.arguments: list[_Option] = []
        self.values: dict[str, Any] = {}

    def add_argument(self, *names: str, **settings: Any) -> None:
        name = next((each for each in names if each.startswith("--")), names[0])
        option = _Option(
            name.lstrip("-").replace("-", "_"),
            settings.get("action", "store"),
            settings.get("nargs", ""),
            settings.get("type"),
            settings.get("choices", ()),
        )
        switch = option.action == "store_true"
        self.values[option.name] = settings.get("default", False if switch else None)
        if name.startswith("-"):
            self.options |= dict.fromkeys(names, option)
        else:
            self.arguments.append(option)

    def set_defaults(self, **settings: Any) -> None:
        self.values |= settings

    def take_options(self, words: list[str]) -> None:
        """Take options from the end of ``words``, its beginning, until there is another word."""
        while words and words[-1].startswith("-"):
            name, equals, text = words.pop().partition("=")
            option = self.options.get(name)
            if option is None or (equals and not name.startswith("--")):
                raise _Unplain
            if option.action == "store_true" and not equals:
                self.values[option.name] = True
                continue
            if option.action not in ("store", "append") or (not equals and not words):
                raise _Unplain
            text = text if equals else words.pop()
            if text.startswith("-") and not equals:
                raise _Unplain
            value = option.value(text)
            if option.action == "append":
                value = [*self.values[option.name], value]
            self.values[option.name] = value

    def take_arguments(self, words: list[str]) -> None:
        """Take the arguments from the same place."""
        for option in self.arguments:
            if option.many == REST:
                self.values[option.name] = words[::-1]
                words.clear()
            elif option.many == "*":
                self.values[option.name] = taken = list[str]()
                while words and not words[-1].startswith("-"):
                    taken.append(words.pop())
            elif words and not words[-1].startswith("-"):
                self.values[option.name] = option.value(words.pop())
            elif option.many != "?":
                raise _Unplain


class _Asked:
    """The one command that is asked for, among those that are declared."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: _Declared | None = None

    def add_parser(self, name: str, **_settings: Any) -> _Declared:
        declared = _Declared()
        if name == self.name:
            self.found = declared
        return declared


class _Arguments:
    """What argparse.Namespace is: an object with attributes."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__ = values


def read(
    argv: Sequence[str],
    declare_general: Callable[[Declarations], None],
    declare_commands: Callable[[Commands, Collection[str]], None],
) -> Namespace | None:
    """Return what a plain command line says, None for any other."""
    if "--" in argv:
        return None
    words = list(reversed(argv))
    general = _Declared()
    declare_general(general)
    try:
        general.take_options(words)
        asked = _Asked(words.pop() if words else "")
        declare_commands(asked, (asked.name,))
        if asked.found is None:
            return None
        asked.found.take_options(words)
        asked.found.take_arguments(words)
        asked.found.take_options(words)
    except (_Unplain, Refused):
        return None
    if words:
        return None
    return _arguments(general.values | asked.found.values | {"command": asked.name})


def read_one(argv: Sequence[str], declare: Callable[[Declarations], None]) -> Namespace | None:
    """Return what a plain line says to a command that has no others below it."""
    if "--" in argv:
        return None
    words = list(reversed(argv))
    declared = _Declared()
    declare(declared)
    try:
        declared.take_options(words)
        declared.take_arguments(words)
        declared.take_options(words)
    except _Unplain:
        return None
    return None if words else _arguments(declared.values)


def _arguments(values: dict[str, Any]) -> Namespace:
    return cast("Namespace", _Arguments(values))
