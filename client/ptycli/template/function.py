"""The functions that a template may call: Go's, and those that docker adds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ptycli.template.fault import Fault, quoted
from ptycli.template.value import (
    Map,
    compare,
    equals,
    is_list,
    is_object,
    is_true,
    kind_of,
    text_of,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_WIDEST: Final = 1000
"""Columns that padding may ask for."""
_LONGEST: Final = 8 << 20
"""Characters that stand between what is joined: they are counted before they are made."""
_DIRECTIVE: Final = re.compile(r"%([-+# 0]*)([0-9]*)(?:\.([0-9]*))?(.)", re.DOTALL)

LAZY: Final = ("and", "or")
"""Those that stop at the first argument that settles it: the evaluation's own."""


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Fault(f"{name} wants a text, not a {kind_of(value)}")
    return value


def _natural(value: Any, name: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise Fault(f"{name} wants a number from 0 to {most}")
    return value


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if is_object(value):
            name = _text(key, "index")
            if name not in value and not isinstance(value, Map):
                raise Fault(f"index: there is no {quoted(name)}")
            value = value.get(name, "")
        elif is_list(value) and value:
            value = value[_natural(key, "index", len(value) - 1)]
        else:
            raise Fault(f"index: there are no elements in a {kind_of(value)}")
    return value


def _slice(value: Any, *ends: Any) -> Any:
    items: list[Any] | str
    if is_list(value) or isinstance(value, str):
        items = value
    else:
        raise Fault(f"slice: a {kind_of(value)} has no parts")
    found = [_natural(end, "slice", len(items)) for end in ends]
    begin, end = (*found, *(0, len(items))[len(found) :])
    return items[begin : max(begin, end)]


def _len(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode(errors="replace"))
    if is_list(value) or is_object(value):
        return len(value)
    raise Fault(f"len: a {kind_of(value)} has no length")


def _print(*values: Any) -> str:
    """A blank stands between two values of which neither is a text."""
    said = ""
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            said += " "
        said += text_of(value, inside=True)
    return said


def _println(*values: Any) -> str:
    return " ".join(text_of(value, inside=True) for value in values) + "\n"


def _printf(form: Any, *values: Any) -> str:
    rest = list(values)

    def fill(found: re.Match[str]) -> str:
        flags, width, precision, verb = found.groups()
        if verb == "%":
            return "%"
        if not rest:
            return f"%!{verb}(MISSING)"
        for columns in (width, precision or ""):
            if len(columns) > len(str(_WIDEST)) or int(columns or 0) > _WIDEST:
                raise Fault(f"printf: {quoted(found[0])} is too wide")
        said = _verb(verb, rest.pop(0), int(precision) if precision else None)
        if "-" in flags:
            return said.ljust(int(width or 0))
        return said.rjust(int(width or 0), "0" if "0" in flags and verb in "dxf" else " ")

    return _DIRECTIVE.sub(fill, _text(form, "printf"))


def _verb(verb: str, value: Any, precision: int | None) -> str:
    match verb, value:
        case "v", _:
            return text_of(value, inside=True)
        case "s", _:
            return text_of(value, inside=True)[:precision]
        case "q", str():
            return to_json(value)
        case "t", bool():
            return text_of(value)
        case (("d" | "x"), int()) if not isinstance(value, bool):
            return f"{value:{verb}}"
        case "x", str():
            return value.encode(errors="replace").hex()
        case "f", float():
            return f"{value:.{6 if precision is None else precision}f}"
        case _:
            return f"%!{verb}({kind_of(value)}={text_of(value, inside=True)})"


def _eq(first: Any, *others: Any) -> bool:
    return any(equals(first, other) for other in others)


def _join(values: Any, separator: Any = "") -> str:
    if not is_list(values):
        raise Fault(f"join wants a list, not a {kind_of(values)}")
    between = _text(separator, "join")
    if len(between) * len(values) > _LONGEST:
        raise Fault("join says too much")
    return between.join(text_of(each) for each in values)


def _split(value: Any, separator: Any) -> list[str]:
    text, by = _text(value, "split"), _text(separator, "split")
    return text.split(by) if by else list(text)


def _title(value: Any) -> str:
    return re.sub(r"(?<!\w)\w", lambda found: found[0].upper(), _text(value, "title"))


def _pad(value: Any, before: Any, after: Any) -> str:
    left, right = (_natural(each, "pad", _WIDEST) for each in (before, after))
    return f"{' ' * left}{_text(value, 'pad')}{' ' * right}" if value else ""


def _ne(first: Any, second: Any) -> bool:
    return not equals(first, second)


def _lt(first: Any, second: Any) -> bool:
    return compare(first, second) < 0


def _le(first: Any, second: Any) -> bool:
    return compare(first, second) <= 0


def _gt(first: Any, second: Any) -> bool:
    return compare(first, second) > 0


def _ge(first: Any, second: Any) -> bool:
    return compare(first, second) >= 0


def _not(value: Any) -> bool:
    return not is_true(value)


def _upper(value: Any) -> str:
    return _text(value, "upper").upper()


def _lower(value: Any) -> str:
    return _text(value, "lower").lower()


def _truncate(value: Any, length: Any) -> str:
    return _text(value, "truncate")[: _natural(length, "truncate", 1 << 30)]


FUNCTIONS: Final[Mapping[str, tuple[Callable[..., Any], int, int | None]]] = {
    # name: (what it does, the fewest arguments, the most or None)
    "eq": (_eq, 2, None),
    "ne": (_ne, 2, 2),
    "lt": (_lt, 2, 2),
    "le": (_le, 2, 2),
    "gt": (_gt, 2, 2),
    "ge": (_ge, 2, 2),
    "not": (_not, 1, 1),
    "len": (_len, 1, 1),
    "index": (_index, 1, None),
    "slice": (_slice, 1, 3),
    "print": (_print, 0, None),
    "println": (_println, 0, None),
    "printf": (_printf, 1, None),
    "json": (to_json, 1, 1),
    "join": (_join, 1, 2),
    "split": (_split, 2, 2),
    "upper": (_upper, 1, 1),
    "lower": (_lower, 1, 1),
    "title": (_title, 1, 1),
    "pad": (_pad, 3, 3),
    "truncate": (_truncate, 2, 2),
}
