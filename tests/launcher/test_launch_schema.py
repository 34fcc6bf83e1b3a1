"""The published JSON schema of the runtime spec, as Debian packages it, against what we do."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft4Validator

from oci_schema import problems, validator
from ptylaunch.default import default_spec, features
from ptylaunch.errors import LaunchFailed
from ptylaunch.spec import read_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

WRONG: list[Any] = ["text", "", 1, -2, 1.5, True, [], [1], ["a"], [{}], {}, {"a": 1}]
TAKEN = {("linux", "resources", "pids")}
"""Empty objects: an engine may leave the only field out that says something."""
TEXTS = {"type": "array", "items": {"type": "string"}}
FEATURES = {
    "type": "object",
    "required": ["ociVersionMin", "ociVersionMax"],
    "properties": {
        "ociVersionMin": {"type": "string"},
        "ociVersionMax": {"type": "string"},
        "hooks": TEXTS,
        "mountOptions": TEXTS,
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "linux": {
            "type": "object",
            "properties": {
                "namespaces": TEXTS,
                "capabilities": TEXTS,
                "cgroup": {"type": "object", "additionalProperties": {"type": "boolean"}},
                "seccomp": {
                    "type": "object",
                    "properties": {
                        "enabled": {"type": "boolean"},
                        "actions": TEXTS,
                        "operators": TEXTS,
                        "archs": TEXTS,
                        "knownFlags": TEXTS,
                        "supportedFlags": TEXTS,
                    },
                },
            },
        },
    },
}
"""What features.md says of the fields that we have: Debian's schema is older than features."""


def full_spec() -> dict[str, Any]:
    """Return a spec that has every field which this runtime understands."""
    spec = default_spec(rootless=False)
    spec["annotations"] = {"a": "b"}
    spec["domainname"] = "d"
    hook = {"path": "/h", "args": ["h"], "env": ["A=b"], "timeout": 1}
    spec["hooks"] = {"prestart": [hook], "poststop": [hook]}
    process, linux = spec["process"], spec["linux"]
    process["consoleSize"] = {"height": 24, "width": 80}
    process["user"] |= {"umask": 18, "additionalGids": [5]}
    process["oomScoreAdj"] = 5
    linux["namespaces"] += [{"type": "user"}]
    for key in ("uidMappings", "gidMappings"):
        linux[key] = [{"containerID": 0, "hostID": 1000, "size": 1}]
    device = {"type": "c", "path": "/dev/x", "major": 1, "minor": 3, "fileMode": 438}
    linux["devices"] = [{**device, "uid": 0, "gid": 0}]
    linux["cgroupsPath"] = "/p"
    linux["rootfsPropagation"] = "slave"
    linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    rule = {"allow": False, "type": "c", "major": 1, "minor": 3, "access": "rwm"}
    linux["resources"] = {
        "memory": {"limit": 1 << 20, "reservation": 1 << 19, "swap": 1 << 21},
        "cpu": {"shares": 2, "quota": 5, "period": 6, "cpus": "0", "mems": "0"},
        "pids": {"limit": 5},
        "devices": [rule],
    }
    argument = {"index": 0, "value": 1, "valueTwo": 0, "op": "SCMP_CMP_EQ"}
    call = {"names": ["sync"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [argument]}
    linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [call],
    }
    return spec


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value in a JSON document."""
    yield path
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = list(enumerate(value))[:1]  # the others of a list are like the first
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(spec: dict[str, Any], path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    changed = place = copy.deepcopy(spec)
    for key in path[:-1]:
        place = place[key]  # type: ignore[index]
    place[path[-1]] = value  # type: ignore[index]
    return changed


def refusal(spec: dict[str, Any]) -> str:
    try:
        read_plan(spec, "/")
    except LaunchFailed as failure:
        return str(failure)
    return ""


@pytest.mark.parametrize("rootless", [False, True])
def test_spec_that_is_printed_validates(*, rootless: bool) -> None:
    """For root and for an ordinary user; and so does one with every field that we know."""
    assert problems(default_spec(rootless=rootless)) == []
    assert problems(full_spec()) == []


def test_features_are_as_described() -> None:
    """features.md."""
    assert list(Draft4Validator(FEATURES).iter_errors(features())) == []
    assert list(Draft4Validator(FEATURES).iter_errors({"ociVersionMin": "1"})) != []


def test_full_spec_is_understood() -> None:
    """The one that is broken below."""
    assert read_plan(full_spec(), "/").propagation


def test_what_the_schema_forbids_is_refused() -> None:
    """Each value of a spec replaced by one of another kind: one line, and it names a place."""
    spec, valid = full_spec(), validator()
    taken: list[str] = []
    for path in list(places(spec))[1:]:
        for wrong in WRONG:
            changed = replaced(spec, path, wrong)
            if valid.is_valid(changed) or (path in TAKEN and wrong == {}):
                continue
            line = refusal(changed)
            if not line.startswith("spec: ") or "\n" in line:
                taken.append(f"{path} = {wrong!r}: {line}")

    assert taken == []
