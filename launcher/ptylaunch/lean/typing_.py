"""Stands in for ``typing``: names that nobody looks at when they run, and NamedTuple."""

from __future__ import annotations

from _operator import itemgetter

from ptylaunch.lean import real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any as Anything
    from typing import Self as Same

Any = Final = NoReturn = Self = TypeAlias = object


def __getattr__(name: str) -> Anything:
    return real("typing", name)


class Protocol:
    """What a class has to look like, which nobody asks when it runs."""


def cast(_kind: object, value: object) -> object:
    return value


class _Maker(type):
    """Makes a class of tuples out of its annotations; nothing is compiled for it."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, object]) -> _Maker:
        made = type.__new__(cls, name, bases, {"__slots__": (), **body})
        if bases == (tuple,):  # NamedTuple itself
            return made
        fields = tuple(made.__annotations__)
        more: dict[str, object] = {
            "_fields": fields,
            "_field_defaults": {field: body[field] for field in fields if field in body},
            "__match_args__": fields,
        }
        more |= {field: property(itemgetter(index)) for index, field in enumerate(fields)}
        for key, value in more.items():
            setattr(made, key, value)
        return made


class NamedTuple(tuple[object, ...], metaclass=_Maker):  # noqa: SLOT001 - _Maker sees to it
    """What the class statements of this project use of ``typing.NamedTuple``."""

    if TYPE_CHECKING:
        _fields: tuple[str, ...]
        _field_defaults: dict[str, object]

    def __new__(cls, *values: object, **named: object) -> Same:
        fields = cls._fields
        if named or len(values) != len(fields):
            placed = dict(zip(fields, values, strict=False))
            filled = {**cls._field_defaults, **placed, **named}
            if len(values) > len(fields) or filled.keys() != set(fields) or placed.keys() & named:
                raise TypeError(f"{cls.__name__} takes {', '.join(fields)}")
            values = tuple(filled[field] for field in fields)
        return super().__new__(cls, values)

    def __repr__(self) -> str:
        shown = ", ".join(f"{field}={value!r}" for field, value in self._asdict().items())
        return f"{type(self).__name__}({shown})"

    def _replace(self, **changed: object) -> Same:
        return type(self)(**{**self._asdict(), **changed})

    def _asdict(self) -> dict[str, object]:
        return dict(zip(self._fields, self, strict=True))
