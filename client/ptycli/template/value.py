"""Values of a template: what is true, how they are printed, what compares with what; as Go has it.

Data are those of JSON. An object is a Go struct: a field that it does not have is an error. A
:class:`Map` may lack keys.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from ptycli.template.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUGH: Final = re.compile("[\x7f-\x9f\ud800-\udfff]")
"""In JSON: what drives a terminal, as U+009B does, and what is no text (os.fsdecode)."""


class Map(dict[str, Any]):
    """Keys that users chose, as labels; ``index`` gives "" for one that is not there."""


class Method:
    """A field that is called with one text: ``{{.Label "key"}}``."""

    def __init__(self, call: Callable[[str], str]) -> None:
        self.call = call


def is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def is_true(value: Any) -> bool:
    """Tell what ``if`` does: as in Go, what is zero or empty is false."""
    return bool(value)


def kind_of(value: Any) -> str:
    """Return the word for a value's type."""
    if value is None:
        return "nil"
    kinds = ((bool, "bool"), ((int, float), "number"), (str, "text"), (list, "list"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "object")


def text_of(value: Any, *, inside: bool = False) -> str:
    """Return what is printed; ``inside`` another value."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>" if inside else "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if is_list(value):
        return f"[{' '.join(text_of(item, inside=True) for item in value)}]"
    if is_object(value):
        fields = sorted(value.items())
        return f"map[{' '.join(f'{key}:{text_of(each, inside=True)}' for key, each in fields)}]"
    if isinstance(value, Method):
        raise Fault('it wants an argument, as in {{.Label "key"}}')
    return str(value)


def size_of(value: Any) -> int:
    """Return about how many characters it takes to print a value."""
    if isinstance(value, str):
        return len(value)
    if is_list(value):
        return len(value) + sum(map(size_of, value))
    if is_object(value):
        return sum(len(key) + 1 for key in value) + sum(map(size_of, value.values()))
    return 1


def to_json(value: Any) -> str:
    """Return JSON as Go writes it: compact, text as it is, without what cannot be data.

    Bytes that are not UTF-8 are U+FFFD, and nothing drives a terminal.
    """
    if is_object(value):
        value = {key: item for key, item in value.items() if not isinstance(item, Method)}
    elif isinstance(value, Method):
        value = text_of(value)
    return _ROUGH.sub(_escape, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{code if code < 0xD800 else 0xFFFD:04x}"


def compare(first: Any, second: Any) -> int:
    """Return -1, 0 or 1; raise Fault where the two have no order."""
    kinds = kind_of(first), kind_of(second)
    if kinds[0] != kinds[1] or kinds[0] not in ("number", "text"):
        raise Fault(f"{kinds[0]} and {kinds[1]} cannot be compared")
    return int(first > second) - int(first < second)


def equals(first: Any, second: Any) -> bool:
    kinds = kind_of(first), kind_of(second)
    if "nil" not in kinds and (kinds[0] != kinds[1] or kinds[0] in ("list", "object")):
        raise Fault(f"{kinds[0]} and {kinds[1]} cannot be compared")
    return bool(first == second)
