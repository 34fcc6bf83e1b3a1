"""Checks single values of a spec: JSON is Any until then, and each complaint names its place."""

from __future__ import annotations

import errno
from typing import Any, cast

from ptylaunch.errors import LaunchFailed


def bad(detail: str) -> LaunchFailed:
    return LaunchFailed("spec", errno.EINVAL, detail)


def as_dict(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad(f"{where} must be an object")
    return cast("dict[str, Any]", value)


def dict_at(fields: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    value = fields.get(key)
    return {} if value is None else as_dict(value, where)


def list_at(fields: dict[str, Any], key: str, where: str) -> list[Any]:
    value = fields.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad(f"{where} must be a list")
    return value  # pyright: ignore[reportUnknownVariableType]


def strings_at(fields: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = list_at(fields, key, where)
    if not all(isinstance(value, str) for value in values):
        raise bad(f"{where} must be strings")
    return tuple(values)


def str_at(fields: dict[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = fields.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or "\0" in value or (default is None and not value):
        raise bad(f"{where} must be a string")
    return value


def absolute_at(fields: dict[str, Any], key: str, where: str) -> str:
    path = str_at(fields, key, where)
    if not path.startswith("/"):
        raise bad(f"{where} must be an absolute path")
    return path


def int_at(fields: dict[str, Any], key: str, where: str, default: int | None = None) -> int:
    value = fields.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise bad(f"{where} must be a number that is not negative")
    return value


def bool_at(fields: dict[str, Any], key: str, where: str) -> bool:
    value = fields.get(key)
    if value is not None and not isinstance(value, bool):
        raise bad(f"{where} must be true or false")
    return bool(value)
