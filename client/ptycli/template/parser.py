"""Makes a tree of a template; see https://pkg.go.dev/text/template for what one may say."""

from __future__ import annotations

import re
from typing import Any, Final

from ptycli.arguments import meant
from ptycli.template.fault import Fault, quoted
from ptycli.template.function import FUNCTIONS, LAZY
from ptycli.template.node import (
    Block,
    Command,
    Function,
    Leave,
    Literal,
    Node,
    Operand,
    Path,
    Pipeline,
    Show,
)
from ptycli.template.token import Action, Token, cut

_DEEPEST: Final = 50
"""Blocks in blocks, and parentheses in parentheses: each costs frames of our own stack."""
_DIGITS: Final = 18
_BLOCKS: Final = ("if", "with", "range")
_CONSTANTS: Final[dict[str, Any]] = {"true": True, "false": False, "nil": None}
_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[0-7]{3}|.)", re.DOTALL)
_ESCAPED: Final = dict(zip("abfnrtv\\\"'", "\a\b\f\n\r\t\v\\\"'", strict=True))


def parse(template: str) -> tuple[Node, ...]:
    """Return the tree of a template; raise Fault."""
    return _Parser(cut(template)).parse()


class _Parser:
    def __init__(self, parts: list[str | Action]) -> None:
        self._parts = parts
        self._at = 0

    def parse(self) -> tuple[Node, ...]:
        nodes, closing = self._nodes(0, in_range=False)
        if closing is not None:
            raise Fault(f"{{{{{closing.tokens[0].text}}}}} without a block")
        return nodes

    def _nodes(self, depth: int, *, in_range: bool) -> tuple[tuple[Node, ...], Action | None]:
        """Return nodes up to an ``end`` or ``else``, and that; None at the template's end."""
        if depth > _DEEPEST:
            raise Fault(f"blocks are nested more than {_DEEPEST} deep")
        nodes: list[Node] = []
        while self._at < len(self._parts):
            part = self._parts[self._at]
            self._at += 1
            if isinstance(part, str):
                nodes.append(part)
                continue
            first = part.tokens[0] if part.tokens else Token("sign", "", spaced=False)
            if first.kind == "word" and first.text in ("end", "else"):
                return tuple(nodes), part
            if first.kind == "word" and first.text in _BLOCKS:
                nodes.append(self._block(first.text, part.tokens[1:], depth, in_range=in_range))
            elif first.kind == "word" and first.text in ("break", "continue"):
                if not in_range or len(part.tokens) > 1:
                    raise Fault(f"{{{{{first.text}}}}} belongs alone in a range")
                nodes.append(Leave(first.text))
            else:
                nodes.append(Show(_Tokens(part.tokens).pipeline()))
        return tuple(nodes), None

    def _block(self, kind: str, tokens: tuple[Token, ...], depth: int, *, in_range: bool) -> Block:
        pipeline = _Tokens(tokens).pipeline(most=2 if kind == "range" else 1)
        inside = in_range or kind == "range"
        body, closing = self._nodes(depth + 1, in_range=inside)
        other: tuple[Node, ...] = ()
        if closing is not None and closing.tokens[0].text == "else":
            rest = closing.tokens[1:]
            if rest and rest[0].kind == "word" and rest[0].text in ("if", "with"):
                # {{else if}} shares the {{end}} of what it belongs to.
                chained = self._block(rest[0].text, rest[1:], depth + 1, in_range=in_range)
                return Block(kind, pipeline, body, (chained,))
            if rest:
                raise Fault(f"{{{{else}}}} cannot have {quoted(rest[0].text)} behind it")
            other, closing = self._nodes(depth + 1, in_range=in_range)
        if closing is None or closing.tokens[0].text != "end":
            raise Fault(f"{{{{{kind}}}}} without {{{{end}}}}")
        if len(closing.tokens) > 1:
            raise Fault("{{end}} has nothing behind it")
        return Block(kind, pipeline, body, other)


class _Tokens:
    """Parses the tokens of one action."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = tokens
        self._at = 0

    def pipeline(self, most: int = 1) -> Pipeline:
        """Return all of it; ``most`` variables may take its value."""
        found = self._pipeline(0, most)
        if (token := self._peek()) is not None:
            raise Fault(f"there is no place for {quoted(token.text)}")
        return found

    def _peek(self, ahead: int = 0) -> Token | None:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else None

    def _take_sign(self, *texts: str) -> str:
        token = self._peek()
        if token is None or token.kind != "sign" or token.text not in texts:
            return ""
        self._at += 1
        return token.text

    def _pipeline(self, depth: int, most: int) -> Pipeline:
        if depth > _DEEPEST:
            raise Fault(f"parentheses are nested more than {_DEEPEST} deep")
        variables, declares = self._variables(most)
        commands = [self._command(depth)]
        while self._take_sign("|"):
            commands.append(self._command(depth))
        for command in commands[1:]:
            if not isinstance(command[0], Function | Path):
                raise Fault("what follows | is a function")
        return Pipeline(variables, declares, tuple(commands))

    def _variables(self, most: int) -> tuple[tuple[str, ...], bool]:
        """Read ``$x :=``, ``$x =`` or, for range, ``$i, $x :=``; nothing if it is not there."""
        begin = self._at
        names: list[str] = []
        while (token := self._peek()) is not None and token.kind == "variable":
            self._at += 1
            names.append(token.text)
            if not self._take_sign(","):
                break
        sign = self._take_sign(":=", "=") if names else ""
        if not sign:
            self._at = begin
            return (), False
        if len(names) > most or "$" in names:
            raise Fault(f"{', '.join(names)} cannot take the value")
        return tuple(names), sign == ":="

    def _command(self, depth: int) -> Command:
        operands: list[Operand] = []
        while (token := self._peek()) is not None:
            if token.kind == "sign" and token.text != "(":
                break
            if operands and not token.spaced:
                raise Fault(f"a blank is missing before {quoted(token.text)}")
            operands.append(self._operand(depth))
        if not operands:
            raise Fault("a value is missing")
        if len(operands) > 1 and isinstance(operands[0], Literal):
            raise Fault("a constant takes no arguments")
        return tuple(operands)

    def _operand(self, depth: int) -> Operand:
        token = self._tokens[self._at]
        self._at += 1
        match token.kind:
            case "string" | "raw":
                return Literal(_unquote(token))
            case "number":
                return Literal(_number(token.text))
            case "dot":
                return Path(None, ())
            case "field":
                return Path(None, (token.text[1:], *self._fields()))
            case "variable":
                return Path(token.text, self._fields())
            case "word" if token.text in _CONSTANTS:
                return Literal(_CONSTANTS[token.text])
            case "word":
                return _function(token.text)
            case _:
                inner = self._pipeline(depth + 1, 0)
                if not self._take_sign(")"):
                    raise Fault("( without )")
                return Path(inner, self._fields())

    def _fields(self) -> tuple[str, ...]:
        """Read the ``.A.B`` that follow without a blank."""
        names: list[str] = []
        while (token := self._peek()) is not None and token.kind == "field" and not token.spaced:
            self._at += 1
            names.append(token.text[1:])
        return tuple(names)


def _function(name: str) -> Function:
    if name in FUNCTIONS or name in LAZY:
        return Function(name)
    if name in ("define", "template", "block"):
        raise Fault(f"{{{{{name}}}}} is not supported")
    raise Fault(f"there is no function {quoted(name)}{meant(name, [*FUNCTIONS, *LAZY])}")


def _number(text: str) -> int | float:
    if len(text) > _DIGITS:
        raise Fault(f"{quoted(text)}: a number has at most {_DIGITS} digits")
    return float(text) if "." in text else int(text)


def _unquote(token: Token) -> str:
    inner = token.text[1:-1]
    if token.kind == "raw":
        return inner
    return _ESCAPE.sub(_unescape, inner)


def _unescape(found: re.Match[str]) -> str:
    text = found[1]
    if text in _ESCAPED:
        return _ESCAPED[text]
    if len(text) == 1:
        raise Fault(f"{quoted(found[0])} is no escape")
    code = int(text, 8) & 0xFF if text.isdigit() else int(text[1:], 16)
    return "\N{REPLACEMENT CHARACTER}" if 0xD800 <= code < 0xE000 else chr(code)
