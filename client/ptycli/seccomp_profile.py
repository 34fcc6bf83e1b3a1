"""A seccomp profile in docker's format becomes ``linux.seccomp`` of the OCI spec.

The format is OCI's, and more: an entry may depend on capabilities, the machine and the kernel
(``includes``, ``excludes``), and ``archMap`` says which ABIs a machine has besides its own. What
boxes get unless told otherwise is such a profile, ``seccomp.json`` beside this file: start from it
to write one of your own.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT: Final = os.path.join(os.path.dirname(__file__), "seccomp.json")

_GO_NAMES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
"""Where docker's name of a machine, which is Go's, is not that of uname(2)."""

_OCI_NAMES: Final = {"x86_64": "X86_64", "aarch64": "AARCH64", "riscv64": "RISCV64"}

_PASSED_ON: Final = (
    *("defaultAction", "defaultErrnoRet", "flags", "architectures"),
    *("listenerPath", "listenerMetadata"),
)
_CONDITIONS: Final = {"caps", "arches", "minKernel"}


class Host(NamedTuple):
    """What a profile may depend on: ``machine`` and ``release`` as uname(2) has them."""

    machine: str
    release: str
    capabilities: frozenset[str]

    @classmethod
    def here(cls, capabilities: Iterable[str]) -> Host:
        """Return this machine, for a box with ``capabilities`` (with CAP_)."""
        system = os.uname()
        return cls(system.machine, system.release, frozenset(capabilities))


def read_profile(path: str, host: Host) -> dict[str, Any]:
    """Return ``linux.seccomp``; ValueError with a line for the user, also for what cannot work."""
    try:
        with open(path, encoding="utf-8") as file:
            profile: Any = json.load(file)
    except OSError as error:
        raise ValueError(f"seccomp={path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"seccomp={path}: {error}") from None
    try:
        found = resolve(profile, host)
        if path != DEFAULT:  # of which it is known
            _try(found, path)
    except LaunchFailed as failure:
        raise ValueError(f"seccomp={failure.detail}") from None
    except ValueError as error:
        raise ValueError(f"seccomp={path}: {error}") from None
    return found


def _try(found: dict[str, Any], path: str) -> None:
    """Raise LaunchFailed for what cannot be made a filter."""
    from ptylaunch.policy import read_policy
    from ptylaunch.seccomp import compile_policy

    policy = read_policy({"seccomp": found}, path)
    if policy is not None:
        compile_policy(policy)


def resolve(profile: object, host: Host) -> dict[str, Any]:
    """Return ``linux.seccomp`` for a host; ValueError when this is no profile."""
    fields = _object(profile, "it")
    found = {key: fields[key] for key in _PASSED_ON if fields.get(key) is not None}
    by_machine = _list(fields, "archMap")
    if by_machine and found.get("architectures"):
        raise ValueError("use either architectures or archMap")
    own = f"SCMP_ARCH_{_OCI_NAMES.get(host.machine, host.machine.upper())}"
    for each in by_machine:
        entry = _object(each, "archMap")
        if entry.get("architecture") == own:
            found["architectures"] = [own, *_strings(entry, "subArchitectures")]
    calls = [_object(each, "syscalls") for each in _list(fields, "syscalls")]
    found["syscalls"] = [_plain(call) for call in calls if _applies(call, host)]
    return found


def _plain(call: dict[str, Any]) -> dict[str, Any]:
    """Return what is OCI's of an entry; docker's older form has one name."""
    if call.get("name"):
        if call.get("names"):
            raise ValueError("use either name or names")
        call = {**call, "names": [call["name"]]}
    return {
        key: call[key]
        for key in ("names", "action", "errnoRet", "args")
        if call.get(key) is not None
    }


def _applies(call: dict[str, Any], host: Host) -> bool:
    """Tell whether an entry is for this host: all it includes, nothing that it excludes."""
    includes, excludes = (_conditions(call, key) for key in ("includes", "excludes"))
    arch = _GO_NAMES.get(host.machine, host.machine)
    kernel = _version(host.release)
    return (
        (not includes["arches"] or arch in includes["arches"])
        and host.capabilities.issuperset(includes["caps"])
        and (not includes["minKernel"] or kernel >= _version(includes["minKernel"]))
        and arch not in excludes["arches"]
        and host.capabilities.isdisjoint(excludes["caps"])
        and (not excludes["minKernel"] or kernel < _version(excludes["minKernel"]))
    )


def _conditions(call: dict[str, Any], key: str) -> dict[str, Any]:
    given = _object(call.get(key) or {}, key)
    if unknown := given.keys() - _CONDITIONS:
        raise ValueError(f"{key}: {min(unknown)} is not supported")
    lists = {name: _strings(given, name) for name in ("caps", "arches")}
    return {**lists, "minKernel": given.get("minKernel")}


def _version(text: object) -> tuple[int, int]:
    match = re.match(r"([0-9]{1,9})\.([0-9]{1,9})", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"minKernel {text!r}: it looks like 4.8")
    return int(match[1]), int(match[2])


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be an object")  # noqa: TRY004 - of a file, not of a caller
    return cast("dict[str, Any]", value)


def _list(fields: dict[str, Any], key: str) -> list[Any]:
    value: Any = fields.get(key) or []
    if not isinstance(value, list):
        raise ValueError(f"{key} must be a list")  # noqa: TRY004 - the same
    return value  # pyright: ignore[reportUnknownVariableType]


def _strings(fields: dict[str, Any], key: str) -> list[str]:
    values = _list(fields, key)
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"{key} must be strings")
    return values
