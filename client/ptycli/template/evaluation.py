"""Runs a template over data. Its work is bounded: nested ranges are quick to write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptycli.arguments import meant
from ptycli.template.fault import Fault, quoted
from ptycli.template.function import FUNCTIONS
from ptycli.template.node import Block, Function, Leave, Literal, Path, Show
from ptycli.template.parser import parse
from ptycli.template.value import (
    Map,
    Method,
    is_list,
    is_object,
    is_true,
    kind_of,
    size_of,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ptycli.template.node import Command, Node, Operand, Pipeline

_BUDGET: Final = 8 << 20
"""Of one run: characters that it makes, and _STEP for each thing that it does."""
_STEP: Final = 40


class _Left(Exception):
    """``break`` or ``continue`` ends an item of a range."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class _Piped(NamedTuple):
    """The value from before a ``|``, which is the last argument behind it."""

    value: Any


class Template:
    """A template, parsed: raise Fault where it is not one."""

    def __init__(
        self, text: str, functions: Mapping[str, Callable[..., Any]] | None = None
    ) -> None:
        """Make it of a text; ``functions`` stand in for those of the same name."""
        self._nodes = parse(text)
        self._functions = functions or {}

    def render(self, data: Any) -> str:
        """Return what it says of ``data``; raise Fault."""
        run = _Run(data, self._functions)
        run.nodes(self._nodes, data)
        return "".join(run.said)


class _Run:
    def __init__(self, data: Any, functions: Mapping[str, Callable[..., Any]]) -> None:
        self.said: list[str] = []
        self._functions = functions
        self._variables: list[tuple[str, Any]] = [("$", data)]
        self._left = _BUDGET

    def nodes(self, nodes: Sequence[Node], dot: Any) -> None:
        mark = len(self._variables)
        for node in nodes:
            match node:
                case str():
                    self._say(node)
                case Show(pipeline):
                    value = self._pipeline(pipeline, dot)
                    self._charge(size_of(value))
                    if not pipeline.variables:
                        self._say(text_of(value))
                case Leave(kind):
                    raise _Left(kind)
                case Block(kind="range"):
                    self._range(node, dot)
                case Block():
                    self._branch(node, dot)
        del self._variables[mark:]

    def _branch(self, block: Block, dot: Any) -> None:
        mark = len(self._variables)
        value = self._pipeline(block.pipeline, dot)
        inside = value if block.kind == "with" else dot
        if is_true(value):
            self.nodes(block.body, inside)
        else:
            self.nodes(block.other, dot)
        del self._variables[mark:]

    def _range(self, block: Block, dot: Any) -> None:
        mark = len(self._variables)
        names = block.pipeline.variables
        values = self._pipeline(block.pipeline._replace(variables=()), dot)
        items: list[tuple[Any, Any]]
        if is_object(values):
            items = sorted(values.items())
        elif is_list(values):
            items = list(enumerate(values))
        elif values is None or values == "":
            items = []  # what a Map does not have
        else:
            raise Fault(f"range cannot go over a {kind_of(values)}")
        for key, item in items:
            self._charge(0)
            for name, value in zip(
                names, (item,) if len(names) == 1 else (key, item), strict=False
            ):
                self._set(name, value, declares=block.pipeline.declares)
            try:
                self.nodes(block.body, item)
            except _Left as left:
                if left.kind == "break":
                    break
            finally:
                del self._variables[mark:]
        if not items:
            self.nodes(block.other, dot)

    def _pipeline(self, pipeline: Pipeline, dot: Any) -> Any:
        piped: tuple[_Piped, ...] = ()
        value: Any = None
        for command in pipeline.commands:
            value = self._command(command, dot, piped)
            piped = (_Piped(value),)
        for name in pipeline.variables:
            self._set(name, value, declares=pipeline.declares)
        return value

    def _command(self, command: Command, dot: Any, piped: tuple[_Piped, ...]) -> Any:
        self._charge(0)
        first, rest = command[0], command[1:]
        if isinstance(first, Function):
            if first.name in ("and", "or"):
                return self._and_or(first.name, (*rest, *piped), dot)
            return self._call(first.name, [self._operand(each, dot) for each in (*rest, *piped)])
        value = self._operand(first, dot)
        given = [self._operand(each, dot) for each in (*rest, *piped)]
        if isinstance(value, Method) and given:
            if len(given) > 1 or not isinstance(given[0], str):
                raise Fault("it wants one text as its argument")
            return value.call(given[0])
        if given:
            raise Fault(f"a {kind_of(value)} takes no arguments")
        return value

    def _and_or(self, name: str, operands: Sequence[Operand | _Piped], dot: Any) -> Any:
        if not operands:
            raise Fault(f"{name} wants arguments")
        value: Any = None
        for operand in operands:
            value = self._operand(operand, dot)
            if is_true(value) == (name == "or"):
                break
        return value

    def _call(self, name: str, values: list[Any]) -> Any:
        function, fewest, most = FUNCTIONS[name]
        if len(values) < fewest or (most is not None and len(values) > most):
            raise Fault(f"{name} does not take {len(values)} arguments")
        for value in values:
            self._charge(size_of(value))
        made = self._functions.get(name, function)(*values)
        self._charge(size_of(made))
        return made

    def _operand(self, operand: Operand | _Piped, dot: Any) -> Any:
        match operand:
            case Literal(value) | _Piped(value):
                return value
            case Function(name):
                if name in ("and", "or"):
                    raise Fault(f"{name} wants arguments")
                return self._call(name, [])
            case Path(of, fields):
                if of is None:
                    value = dot
                elif isinstance(of, str):
                    value = self._get(of)
                else:
                    value = self._pipeline(of, dot)
                for field in fields:
                    value = _field(value, field)
                return value

    def _get(self, name: str) -> Any:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise Fault(f"there is no variable {quoted(name)}")

    def _set(self, name: str, value: Any, *, declares: bool) -> None:
        if declares:
            self._variables.append((name, value))
            return
        for index in range(len(self._variables) - 1, -1, -1):
            if self._variables[index][0] == name:
                self._variables[index] = (name, value)
                return
        raise Fault(f"there is no variable {quoted(name)}")

    def _say(self, text: str) -> None:
        self._charge(len(text))
        self.said.append(text)

    def _charge(self, characters: int) -> None:
        self._left -= characters + _STEP
        if self._left < 0:
            raise Fault("the template does not come to an end, or says too much")


def _field(value: Any, name: str) -> Any:
    if not is_object(value):
        raise Fault(f"there is no field {quoted('.' + name)} in a {kind_of(value)}")
    if isinstance(value, Map):
        return value.get(name)
    try:
        return value[name]
    except KeyError:
        close = meant("." + name, (f".{each}" for each in value))
        raise Fault(f"there is no field {quoted('.' + name)}{close}") from None
