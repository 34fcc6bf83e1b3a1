"""Stands in for ``json``: reads by the same scanner in C, writes the few types that JSON has.

What cannot be read here is given to the real one, which says what is wrong with it, and where.
"""

from __future__ import annotations

from _json import encode_basestring_ascii, make_scanner

from ptylaunch.lean import real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, cast
else:
    from ptylaunch.lean.typing_ import cast

_SPACE = " \t\n\r"
_NUMBERS = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}


def __getattr__(name: str) -> Any:
    return real("json", name)


class _Settings:
    """What json.decoder.JSONDecoder tells the scanner by default."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner's own, which it clears


_scan = make_scanner(_Settings)  # type: ignore[arg-type] # what it is given is looked at only


def load(file: IO[Any]) -> Any:
    return loads(file.read())


def loads(text: str | bytes | bytearray) -> Any:
    if isinstance(text, str):
        try:
            value, end = _scan(text, len(text) - len(text.lstrip(_SPACE)))
        except (StopIteration, ValueError):
            pass
        except (ImportError, SystemError):
            pass  # it wanted to raise what is in json.decoder, which is not there
        else:
            if not text[end:].strip(_SPACE):
                return value
    elif text[:1].isascii() and 0 not in text:  # else it may be UTF-16
        return loads(text.decode("utf-8", "surrogatepass"))
    return real("json", "loads")(text)


def dumps(
    value: object,
    *,
    indent: int | None = None,
    separators: tuple[str, str] = (", ", ": "),
    **settings: Any,
) -> str:
    if settings:
        text: str = real("json", "dumps")(value, indent=indent, separators=separators, **settings)
        return text
    comma, colon = (",", ": ") if indent is not None else separators
    return _write(value, indent, "\n" if indent is not None else "", comma, colon)


def _write(value: Any, indent: int | None, line: str, comma: str, colon: str) -> str:
    """Return a value as JSON; ``line`` is what a line begins with, empty when there is one only."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if value is None or isinstance(value, bool):
        return "null" if value is None else "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        text = float.__repr__(value)
        return _NUMBERS.get(text, text)
    inner = line + " " * indent if indent is not None else line
    if isinstance(value, dict):
        ends, pairs = "{}", cast("dict[object, Any]", value)
        parts = [
            _key(key) + colon + _write(each, indent, inner, comma, colon)
            for key, each in pairs.items()
        ]
    elif isinstance(value, list | tuple):
        ends, items = "[]", cast("list[Any]", value)
        parts = [_write(each, indent, inner, comma, colon) for each in items]
    else:
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    if not parts:
        return ends
    return ends[0] + inner + (comma + inner).join(parts) + line + ends[1]


def _key(key: object) -> str:
    if isinstance(key, str):
        return encode_basestring_ascii(key)
    if key is None or isinstance(key, int | float):
        return f'"{_write(key, None, "", "", "")}"'
    raise TypeError(f"keys must be str, not {type(key).__name__}")
