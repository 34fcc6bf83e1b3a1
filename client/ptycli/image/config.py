"""What an image wants to run, and how (image-spec, config.md)."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ptycli.image.fault import bad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ptykeep.helper import Port

_LOOPBACK: Final = "127.0.0.1"
_MOST_PORTS: Final = 2 * 65535
"""Each of TCP and of UDP."""


class Wishes(NamedTuple):
    """An image's own defaults; ``ports`` have no port of the host yet.

    Its ``Volumes`` are folders of the container like others: what is written there goes with it.
    """

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    ports: tuple[Port, ...] = ()
    stop_signal: int = signal.SIGTERM

    def command(self, given: Sequence[str], entrypoint: str | None) -> list[str]:
        """Return what is run: as docker, a command replaces ``cmd``, an entrypoint both."""
        if entrypoint is not None:
            return [*([entrypoint] if entrypoint else []), *given]
        return [*self.entrypoint, *(given or self.cmd)]


def read_wishes(document: dict[str, Any]) -> Wishes:
    """Read ``config`` of an image's configuration; LaunchFailed("image", …)."""
    value: object = document.get("config") or {}
    if not isinstance(value, dict):
        raise bad("config: not an object")
    fields = cast("dict[str, Any]", value)
    env = _texts(fields, "Env")
    for entry in env:
        if not entry.partition("=")[0] or "=" not in entry:
            raise bad(f"config.Env: {entry!r} is not NAME=VALUE")
    workdir = _text(fields, "WorkingDir")
    return Wishes(
        _texts(fields, "Entrypoint"),
        _texts(fields, "Cmd"),
        env,
        _text(fields, "User"),
        workdir if workdir.startswith("/") or not workdir else f"/{workdir}",
        _ports(fields.get("ExposedPorts") or {}),
        _signal(_text(fields, "StopSignal")),
    )


def _text(fields: dict[str, Any], key: str) -> str:
    value = fields.get(key) or ""
    if not isinstance(value, str) or "\0" in value:
        raise bad(f"config.{key}: not a text")
    return value


def _texts(fields: dict[str, Any], key: str) -> tuple[str, ...]:
    values = cast("list[object]", fields.get(key) or [])
    if not isinstance(fields.get(key) or [], list):
        raise bad(f"config.{key}: not a list")
    if not all(isinstance(value, str) and "\0" not in value for value in values):
        raise bad(f"config.{key}: not a list of texts")
    return tuple(cast("list[str]", values))


def _ports(value: object) -> tuple[Port, ...]:
    if not isinstance(value, dict):
        raise bad("config.ExposedPorts: not an object")
    from ptykeep.helper import Port  # which a box without an image may do without

    ports: list[Port] = []
    for text in cast("dict[str, object]", value):
        numbers, _, protocol = text.partition("/")
        first, dash, last = numbers.partition("-")
        protocol = protocol or "tcp"
        ends = (first, last if dash else first)
        if protocol == "sctp":
            continue  # nothing that leads into a box speaks it
        if protocol not in ("tcp", "udp") or not all(map(_is_port, ends)):
            raise bad(f"config.ExposedPorts: {text!r} is no port")
        if len(ports) + int(ends[1]) - int(ends[0]) >= _MOST_PORTS:
            raise bad(f"config.ExposedPorts: more than {_MOST_PORTS} ports")
        ports += [
            Port(protocol, _LOOPBACK, 0, number) for number in range(int(ends[0]), int(ends[1]) + 1)
        ]
    return tuple(ports)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65536


def _signal(text: str) -> int:
    """Read ``15``, ``TERM``, ``SIGTERM`` or ``SIGRTMIN+3``."""
    name = text.upper().removeprefix("SIG")
    base, _, offset = name.partition("+")
    if not name:
        return signal.SIGTERM
    if name.isascii() and name.isdecimal() and len(name) < 3:
        number = int(name)
    elif base == "RTMIN" and offset.isascii() and offset.isdecimal() and len(offset) < 3:
        number = signal.SIGRTMIN + int(offset)
    else:
        number = int(getattr(signal, f"SIG{name}", 0)) if name.isalnum() else 0
    if number not in signal.valid_signals():
        raise bad(f"config.StopSignal: there is no {text!r}")
    return number
