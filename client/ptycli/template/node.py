"""The tree of a template."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias


class Literal(NamedTuple):
    value: Any


class Path(NamedTuple):
    """Fields of something: of the dot (None), of a variable (``$…``), of a pipeline's value."""

    of: str | Pipeline | None
    fields: tuple[str, ...]


class Function(NamedTuple):
    name: str


Operand: TypeAlias = Literal | Path | Function
Command: TypeAlias = tuple[Operand, ...]


class Pipeline(NamedTuple):
    """``variables`` take the value: new ones, if it ``declares``."""

    variables: tuple[str, ...]
    declares: bool
    commands: tuple[Command, ...]


class Show(NamedTuple):
    pipeline: Pipeline


class Block(NamedTuple):
    """``if``, ``with`` or ``range``."""

    kind: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    other: tuple[Node, ...]


class Leave(NamedTuple):
    """``break`` or ``continue``."""

    kind: str


Node: TypeAlias = str | Show | Block | Leave
