"""The server's answer to an attach, checked: a field that is missing or odd has its default."""

from __future__ import annotations

from typing import Any, NamedTuple


class Hello(NamedTuple):
    """See ARCHITECTURE.md. ``start_at`` is its ``from``, the offset of the first byte to come.

    With ``snapshot`` a picture comes before it, and says itself where the stream goes on.
    """

    client: str
    epoch: int
    role: str
    tty: bool
    input: int
    doubt: int
    start_at: int
    end: int
    id: int = 0
    snapshot: bool = False
    rows: int = 0
    cols: int = 0
    drives: bool = True


def parse_hello(fields: dict[str, Any]) -> Hello:
    return Hello(
        client=str(fields.get("client", "")),
        epoch=number(fields, "epoch"),
        role=str(fields.get("role", "control")),
        tty=fields.get("tty") is not False,
        input=number(fields, "input"),
        doubt=number(fields, "doubt"),
        start_at=number(fields, "from"),
        end=number(fields, "end"),
        id=number(fields, "id"),
        snapshot=fields.get("snapshot") is True,
        rows=number(fields, "rows"),
        cols=number(fields, "cols"),
        drives=fields.get("drives") is not False,
    )


def number(fields: dict[str, Any], key: str, default: int = 0) -> int:
    """Return a field that is a natural number, else ``default``."""
    value = fields.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64:
        return value
    return default
