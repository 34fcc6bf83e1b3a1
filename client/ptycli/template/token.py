"""Cuts a template into text, and into the tokens of its actions; linear in its length."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ptycli.template.fault import Fault, quoted

LONGEST: Final = 1 << 20
"""Characters of a template."""

_TOKEN: Final = re.compile(
    r"""(?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<raw>`[^`]*`)
      | (?P<number>[+-]?[0-9]+(?:\.[0-9]+)?(?![A-Za-z0-9_.]))
      | (?P<field>\.[A-Za-z_][A-Za-z0-9_]*)
      | (?P<dot>\.)
      | (?P<variable>\$[A-Za-z0-9_]*)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign>:=|[=|(),])""",
    re.VERBOSE,
)
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_BLANKS: Final = " \t\r\n"


class Token(NamedTuple):
    """One token of an action; ``spaced``: a blank is before it, which parts arguments."""

    kind: str
    text: str
    spaced: bool


class Action(NamedTuple):
    """What stands between ``{{`` and ``}}``."""

    tokens: tuple[Token, ...]


def cut(template: str) -> list[str | Action]:
    """Return texts and actions in order, without comments; blanks trimmed as ``{{-`` asks."""
    if len(template) > LONGEST:
        raise Fault(f"a template has at most {LONGEST} characters")
    parts: list[str | Action] = []
    position, trim = 0, False
    while True:
        begin = template.find("{{", position)
        text = template[position : begin if begin >= 0 else len(template)]
        text = text.lstrip(_BLANKS) if trim else text
        if begin < 0:
            return [*parts, text] if text else parts
        inner = begin + 2
        if template[inner : inner + 1] == "-" and template[inner + 1 : inner + 2] in tuple(_BLANKS):
            text, inner = text.rstrip(_BLANKS), inner + 1
        if text:
            parts.append(text)
        action, position, trim = _cut_action(template, inner)
        if action is not None:
            parts.append(action)


def _cut_action(template: str, position: int) -> tuple[Action | None, int, bool]:
    """Return an action (None: a comment), where it ends, and whether blanks behind it go."""
    begin = position
    position = _skip(template, position)
    if template.startswith("/*", position):
        comment = _COMMENT.match(template, position)
        end, trim = _end(template, comment.end()) if comment else (-1, False)
        if end < 0:
            raise Fault(f"a comment ends with */}}}}: {quoted(template[begin:])}")
        return None, end, trim
    tokens: list[Token] = []
    before = begin
    while True:
        end, trim = _end(template, before)
        if end >= 0:
            return Action(tuple(tokens)), end, trim
        found = _TOKEN.match(template, position)
        if found is None:
            if position == len(template):
                raise Fault(f"{{{{ without }}}}: {quoted(template[begin - 2 :])}")
            raise Fault(f"it is not understood from here on: {quoted(template[position:])}")
        assert found.lastgroup is not None
        tokens.append(Token(found.lastgroup, found[0], position > before))
        before = found.end()
        position = _skip(template, before)


def _end(template: str, position: int) -> tuple[int, bool]:
    """Return where an action ends if it does so here, else -1; and whether it trims."""
    after = _skip(template, position)
    if template.startswith("}}", after):
        return after + 2, False
    if after > position and template.startswith("-}}", after):
        return after + 3, True
    return -1, False


def _skip(template: str, position: int) -> int:
    blank = _SPACE.match(template, position)
    assert blank is not None
    return blank.end()
