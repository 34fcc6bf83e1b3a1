"""What is asked of ``exec``, checked against what the container has, as a program and its session.

The request names what to run and how to show it. Who may do what is the container's: its process
in config.json, with nothing added (ptylaunch.join.confine).
"""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ptylaunch.errors import LaunchFailed
from ptylaunch.join import confine
from ptylaunch.programspec import read_program

if TYPE_CHECKING:
    from ptylaunch.plan import Program

LARGEST: Final = 1 << 20
"""Bytes of a request."""

POLICIES: Final = ("keep", "hup")


class Wish(NamedTuple):
    """A checked request; ``process`` is an OCI spec's, ``program`` the same, read.

    ``key`` is the client's: whoever asks again with it asks for the same session.
    """

    key: str
    process: dict[str, Any]
    program: Program
    user: str
    find_home: bool
    stdin: bool
    foreground: bool
    on_disconnect: str


def read_request(fd: int) -> dict[str, Any]:
    """Return the JSON object in a file that the server sent; LaunchFailed("spec", …)."""
    data = b""
    while len(data) <= LARGEST and (chunk := os.pread(fd, LARGEST + 1, len(data))):
        data += chunk
    try:
        fields: Any = json.loads(data)
    except (ValueError, RecursionError):
        fields = None
    if len(data) > LARGEST or not isinstance(fields, dict):
        raise _bad("the request is no JSON object of at most 1 MiB")
    return cast("dict[str, Any]", fields)


def check(fields: dict[str, Any], process: dict[str, Any], linux: dict[str, Any]) -> Wish:
    """Make a request into a program of the container whose spec has ``process`` and ``linux``.

    LaunchFailed("spec", …) when it makes no sense, ("privileges", …) when it asks for too much.
    """
    if fields.get("privileged"):
        raise LaunchFailed("privileges", errno.EPERM, "exec gives no more than the container has")
    env, user = _texts(fields, "env"), _text(fields, "user")
    names = {entry.partition("=")[0] for entry in env}
    own: list[str] = process.get("env", [])
    kept = [entry for entry in own if entry.partition("=")[0] not in names]
    rows, cols = (_size(fields, name) for name in ("rows", "cols"))
    policy = _text(fields, "on_disconnect") or POLICIES[0]
    if policy not in POLICIES:
        raise _bad(f"on_disconnect is one of {', '.join(POLICIES)}")
    asked: dict[str, Any] = {
        **process,
        "args": fields.get("args"),
        "env": [*kept, *env],
        "cwd": _text(fields, "cwd") or process["cwd"],
        "terminal": fields.get("tty") is True,
        "consoleSize": {"height": rows, "width": cols},
    }
    return Wish(
        key=_text(fields, "key"),
        process=asked,
        program=confine(read_program(asked, {}), read_program(process, linux)),
        user=user,
        find_home=bool(user) and "HOME" not in names,
        stdin=fields.get("stdin") is True,
        foreground=fields.get("foreground") is True,
        on_disconnect=policy,
    )


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name) or ""
    if not isinstance(value, str) or "\0" in value:
        raise _bad(f"{name} is a text")
    return value


def _texts(fields: dict[str, Any], name: str) -> list[str]:
    values = cast("list[object]", fields.get(name) or [])
    if not isinstance(fields.get(name, []), list) or not all(isinstance(v, str) for v in values):
        raise _bad(f"{name} is a list of texts")
    return cast("list[str]", values)


def _size(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 16:
        raise _bad(f"{name} is a number below 65536")
    return value


def _bad(detail: str) -> LaunchFailed:
    return LaunchFailed("spec", errno.EINVAL, detail)
