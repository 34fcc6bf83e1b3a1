"""Reads ``process`` of an OCI runtime spec, which is also what ``exec --process`` takes."""

from __future__ import annotations

import resource
from typing import Any, cast

from ptylaunch.attribute import read_attributes
from ptylaunch.capability import Capabilities, mask_of
from ptylaunch.plan import Filter, Limit, Program
from ptylaunch.value import (
    absolute_at,
    as_dict,
    bad,
    bool_at,
    dict_at,
    int_at,
    list_at,
    str_at,
    strings_at,
)


def read_program(process: dict[str, Any], linux: dict[str, Any]) -> Program:
    """Check the ``process`` of a spec, or of ``exec --process``; LaunchFailed("spec", …).

    ``linux`` is the spec's, for what holds for every program of the box.
    """
    user = dict_at(process, "user", "process.user")
    size = dict_at(process, "consoleSize", "process.consoleSize")
    args = strings_at(process, "args", "process.args")
    if not args or not args[0]:
        raise bad("process.args must name a program")
    if any("\0" in text for text in (*args, *strings_at(process, "env", "process.env"))):
        raise bad("process.args and process.env cannot hold a NUL byte")
    groups = list_at(user, "additionalGids", "process.user.additionalGids")
    if not all(type(group) is int and group >= 0 for group in groups):  # True is no id
        raise bad("process.user.additionalGids must be numbers that are not negative")
    umask: int = int_at(user, "umask", "process.user.umask", 0o022)
    adjust = process.get("oomScoreAdj")
    if adjust is not None and type(adjust) is not int:
        raise bad("process.oomScoreAdj must be an integer")
    unsized = 0 if process.get("consoleSize") is None else None  # it is whole, or not there
    return Program(
        args=args,
        env=strings_at(process, "env", "process.env"),
        cwd=absolute_at(process, "cwd", "process.cwd"),
        uid=int_at(user, "uid", "process.user.uid", 0),
        gid=int_at(user, "gid", "process.user.gid", 0),
        groups=tuple(cast("list[int]", groups)),
        umask=umask,
        capabilities=_capabilities(process),
        no_new_privileges=bool_at(process, "noNewPrivileges", "process.noNewPrivileges"),
        limits=tuple(
            _limit(as_dict(entry, "process.rlimits"))
            for entry in list_at(process, "rlimits", "process.rlimits")
        ),
        oom_score_adj=adjust,
        terminal=bool_at(process, "terminal", "process.terminal"),
        rows=int_at(size, "height", "process.consoleSize.height", unsized) & 0xFFFF,
        cols=int_at(size, "width", "process.consoleSize.width", unsized) & 0xFFFF,
        seccomp=_filter(linux) if "seccomp" in linux else None,
        attributes=read_attributes(process, linux),
    )


def _filter(linux: dict[str, Any]) -> Filter | None:
    from ptylaunch.policy import read_policy  # four modules, for who asks for a filter
    from ptylaunch.seccomp import compile_policy

    policy = read_policy(linux)
    return None if policy is None else compile_policy(policy)


def _capabilities(process: dict[str, Any]) -> Capabilities:
    where = "process.capabilities"
    sets = dict_at(process, "capabilities", where)

    def mask(key: str) -> int:
        try:
            return mask_of(strings_at(sets, key, f"{where}.{key}"))
        except ValueError as error:
            raise bad(f"{where}.{key}: there is no {error}") from None

    return Capabilities(
        mask("bounding"), mask("effective"), mask("permitted"), mask("inheritable"), mask("ambient")
    )


def _limit(fields: dict[str, Any]) -> Limit:
    name = str_at(fields, "type", "process.rlimits.type")
    number = getattr(resource, name, None) if name.startswith("RLIMIT_") else None
    if not isinstance(number, int):
        raise bad(f"process.rlimits: there is no {name!r}")
    soft, hard = (int_at(fields, key, f"process.rlimits.{key}") for key in ("soft", "hard"))
    top = 1 << 63  # RLIM_INFINITY is -1 in Python and 2**64-1 in JSON
    return Limit(number, soft if soft < top else -1, hard if hard < top else -1)
