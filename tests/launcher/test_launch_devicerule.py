"""Rules for devices: the same by v1's files and by v2's program, as the kernel keeps them."""

from __future__ import annotations

import os

import pytest

from cgroups import made, process_in
from ptylaunch.devicerule import enforce, read_rules, writes_of
from ptylaunch.errors import LaunchFailed
from ptylaunch.plan import Resources

READ_ZERO = {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "r"}
DENY_ALL = {"allow": False, "access": "rwm"}
FUSE = {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}
DENY_WRITE = {"allow": False, "type": "c", "major": 10, "minor": 229, "access": "w"}


def outcome(version: int, rules: list[dict[str, object]], *flags: str) -> list[str]:
    """Return how it goes to open /dev/fuse with each of the flags, and /dev/null after it."""
    resources = Resources(devices=read_rules({"devices": rules}, "devices"))
    opens = "; ".join(f"( : {flag}/dev/fuse ) 2>/dev/null && echo yes || echo no" for flag in flags)
    script = f"read x; {opens}; ( : <>/dev/null ) && echo null"
    with made(resources, only=version) as cgroup:
        enforce(cgroup, resources.devices)
        with process_in(cgroup, "sh", "-c", script) as process:
            output, _ = process.communicate(b"go\n", timeout=20)
    return output.decode().split()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("rules", "read", "write"),
    [
        ([], "yes", "yes"),
        ([DENY_ALL], "no", "no"),
        ([DENY_ALL, READ_ZERO], "no", "no"),
        ([DENY_ALL, FUSE], "yes", "yes"),
        ([FUSE, DENY_ALL], "no", "no"),
        ([DENY_WRITE], "yes", "no"),
        ([DENY_ALL, {**FUSE, "access": "r"}], "yes", "no"),
        ([DENY_ALL, {"allow": True, "type": "c", "major": 10, "access": "rwm"}], "yes", "yes"),
        ([DENY_ALL, {"allow": True, "type": "b", "access": "rwm"}], "no", "no"),
        ([DENY_ALL, {"allow": True, "access": "rwm"}], "yes", "yes"),
    ],
)
def test_rules_are_kept(
    version: int, rules: list[dict[str, object]], read: str, write: str
) -> None:
    """The last one that speaks of a device counts; /dev/null is always there."""
    assert outcome(version, rules, "<", ">") == [read, write, "null"]


def test_lines_of_v1_are_the_kernels() -> None:
    """As devices.rst has them."""
    rules = read_rules({"devices": [DENY_ALL, {**FUSE, "minor": -1}]}, "devices")

    assert writes_of(rules)[:2] == [("devices.deny", "a"), ("devices.allow", "c 10:* rw")]


@pytest.mark.parametrize(
    "rule",
    [
        {"access": "rwm"},
        {"allow": "no"},
        {"allow": True, "type": "x"},
        {"allow": True, "access": "rwx"},
        {"allow": True, "major": "1"},
        {"allow": True, "major": -2},
        "all",
    ],
)
def test_rule_that_means_nothing_is_refused(rule: object) -> None:
    """With its place."""
    with pytest.raises(LaunchFailed, match=r"devices\[0\]"):
        read_rules({"devices": [rule]}, "devices")


def test_this_host_can_be_asked() -> None:
    """The device that the rules above are about, which opens for root."""
    os.close(os.open("/dev/fuse", os.O_RDWR))
