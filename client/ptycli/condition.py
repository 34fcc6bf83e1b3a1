"""What the filters of ``ptyd ps`` want of a container; keys and meanings are docker's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ptycli.arguments import Failure
from ptycli.container import find
from ptycli.filter import has_label, has_name
from ptycli.row import labels_of
from ptycli.status import STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ptycli.row import Row

KEYS: Final = (
    "id",
    "name",
    "label",
    "status",
    "exited",
    "ancestor",
    "before",
    "since",
    "publish",
    "health",
)
_HEALTHS: Final = ("starting", "healthy", "unhealthy", "none")


def conditions(filters: Mapping[str, Sequence[str]]) -> list[Callable[[Row], bool]]:
    """Return what all have to be true of a row; raise Failure."""
    return [_condition(key, values) for key, values in filters.items()]


def _condition(key: str, values: Sequence[str]) -> Callable[[Row], bool]:
    match key:
        case "label":  # the one key of which all values count
            return lambda row: all(has_label(labels_of(row), value) for value in values)
        case "before" | "since":
            moments = [_created(key, value) for value in values]
            if key == "before":
                return lambda row: any(_moment(row) < moment for moment in moments)
            return lambda row: any(_moment(row) > moment for moment in moments)
        case "exited":
            codes = [_number(value) for value in values]
            return lambda row: (
                row.fields["status"] == "exited" and row.fields.get("exit_status") in codes
            )
        case "status" | "health":
            _check(key, values, STATUSES if key == "status" else _HEALTHS)
            return lambda row: (row.fields["status"] if key == "status" else "none") in values
        case _:
            test = _TESTS[key]
            return lambda row: any(test(row, value) for value in values)


def _created(key: str, reference: str) -> float:
    try:
        fields = find(reference).read_state()
    except Failure as failure:
        raise Failure(f"--filter {key}: {failure}", 1) from None
    return float(fields.get("created", 0.0))


def _moment(row: Row) -> float:
    return float(row.fields.get("created", 0.0))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 4):
        raise Failure(f"--filter exited={text!r}: an exit status is a number", 1)
    return int(text)


def _check(key: str, values: Sequence[str], known: Sequence[str]) -> None:
    for value in values:
        if value not in known:
            raise Failure(f"--filter {key}={value!r}: there is {', '.join(known)}", 1)


def _is_of(row: Row, image: str) -> bool:
    own: str = row.summary["image"]
    return image in (own, own.rpartition(":")[0])


def _publishes(row: Row, port: str) -> bool:
    number, _, protocol = port.partition("/")
    network: dict[str, Any] = row.fields.get("network") or {}
    return any(
        number == str(each["port"]) and protocol in ("", each["protocol"])
        for each in network.get("ports", ())
    )


_TESTS: Final[dict[str, Callable[[Row, str], bool]]] = {
    "id": lambda row, value: row.container.id.startswith(value),
    "name": lambda row, value: has_name(row.fields["name"], value),
    "ancestor": _is_of,
    "publish": _publishes,
}
