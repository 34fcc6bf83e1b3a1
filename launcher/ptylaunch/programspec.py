"""Reads ``process`` of an OCI runtime spec, which is also what ``exec --process`` takes."""

from __future__ import annotations

import resource
from typing import Any, cast

from ptylaunch.attribute import read_attributes
from ptylaunch.capability import NUMBERS, Capabilities, mask_of, names_of, within
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
    capabilities, warnings = _capabilities(process)
    unsized = 0 if process.get("consoleSize") is None else None  # it is whole, or not there
    return Program(
        args=args,
        env=strings_at(process, "env", "process.env"),
        cwd=absolute_at(process, "cwd", "process.cwd"),
        uid=int_at(user, "uid", "process.user.uid", 0),
        gid=int_at(user, "gid", "process.user.gid", 0),
        groups=tuple(cast("list[int]", groups)),
        umask=umask,
        capabilities=capabilities,
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
        warnings=warnings,
    )


def _filter(linux: dict[str, Any]) -> Filter | None:
    from ptylaunch.policy import read_policy  # four modules, for who asks for a filter
    from ptylaunch.seccomp import compile_policy

    policy = read_policy(linux)
    return None if policy is None else compile_policy(policy)


def has_user_namespace(spec: dict[str, Any]) -> bool:
    """Tell whether a spec that was read before has one."""
    entries = list_at(dict_at(spec, "linux", "linux"), "namespaces", "linux.namespaces")
    return any(entry["type"] == "user" for entry in entries)


def grant(program: Program, *, in_user_namespace: bool) -> Program:
    """Return it with the capabilities that the kernel will give it, and what is to be said of that.

    What cannot be granted is no error (config.md, "capabilities": it "MUST be logged as a
    warning"). Where there is no user namespace only what we have ourselves is there to give.
    """
    asked = program.capabilities
    available = -1 if in_user_namespace else _our_own()
    granted = within(asked, available)
    if granted == asked:
        return program
    warnings = list(program.warnings)
    if lost := names_of((asked.bounding | asked.permitted) & ~available):
        warnings.append(f"process.capabilities: not ours to give: {', '.join(lost)}")
    for kind, what in (("effective", "is not permitted"), ("ambient", "is not inheritable")):
        names = names_of(getattr(asked, kind) & available & ~getattr(granted, kind))
        warnings += [f"can't raise {kind} capability {name}: it {what}" for name in names]
    return program._replace(capabilities=granted, warnings=tuple(warnings))


def _our_own() -> int:
    with open("/proc/self/status", "rb") as file:
        line = next(line for line in file if line.startswith(b"CapPrm:"))
    return int(line.split()[1], 16)


def _capabilities(process: dict[str, Any]) -> tuple[Capabilities, tuple[str, ...]]:
    """Return the sets, and what is to be said of names that are none."""
    where = "process.capabilities"
    sets = dict_at(process, "capabilities", where)
    kinds = ("bounding", "effective", "permitted", "inheritable", "ambient")
    named = [strings_at(sets, kind, f"{where}.{kind}") for kind in kinds]
    unknown = sorted({name for names in named for name in names if name not in NUMBERS})
    warnings = tuple(f"{where}: there is no {name}" for name in unknown)
    return Capabilities(*map(mask_of, named)), warnings


def _limit(fields: dict[str, Any]) -> Limit:
    name = str_at(fields, "type", "process.rlimits.type")
    number = getattr(resource, name, None) if name.startswith("RLIMIT_") else None
    if not isinstance(number, int):
        raise bad(f"process.rlimits: there is no {name!r}")
    soft, hard = (int_at(fields, key, f"process.rlimits.{key}") for key in ("soft", "hard"))
    top = 1 << 63  # RLIM_INFINITY is -1 in Python and 2**64-1 in JSON
    return Limit(number, soft if soft < top else -1, hard if hard < top else -1)
