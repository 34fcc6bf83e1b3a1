"""Options about what a box may do: docker's meaning, checked before anything is made."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycli.privilege import (
    CAPABILITIES,
    Privileges,
    add_options,
    merge_capabilities,
    read_options,
)
from ptylaunch.capability import NUMBERS

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.sampled_from(["ALL", *NUMBERS])


def read(*words: str) -> Privileges:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return read_options(parser.parse_args(words))


def test_default_is_eleven_capabilities_a_filter_and_no_new_privileges() -> None:
    """Nothing inheritable, nothing ambient."""
    default = read()
    fields = default.process()

    assert default.seccomp is not None
    assert default.no_new_privileges
    assert len(CAPABILITIES) == 11
    assert set(fields["capabilities"]) == {"bounding", "effective", "permitted"}
    assert set(fields["capabilities"]["bounding"]) == set(CAPABILITIES)
    assert fields.keys() == {"capabilities", "noNewPrivileges"}


def test_capabilities_are_added_and_dropped() -> None:
    """With and without CAP_, in any case; ALL stands for all others."""
    assert set(merge_capabilities(["net_raw"], ["cap_Chown"])) == {
        *CAPABILITIES,
        "CAP_NET_RAW",
    } - {"CAP_CHOWN"}
    assert merge_capabilities(["KILL"], ["ALL"]) == ("CAP_KILL",)
    assert set(merge_capabilities(["ALL"], ["KILL"])) == NUMBERS.keys() - {"CAP_KILL"}
    assert merge_capabilities([], ["ALL"]) == ()


@given(st.lists(NAMES), st.lists(NAMES))
def test_what_is_dropped_by_name_is_not_there(added: list[str], dropped: list[str]) -> None:
    """Whoever added it; and nothing is there that nobody asked for."""
    found = set(merge_capabilities(added, dropped))

    assert not found & set(dropped)
    assert "ALL" in added or found <= {*CAPABILITIES, *added}
    assert "ALL" in added or "ALL" not in dropped or found <= set(added)


def test_filter_knows_the_capabilities() -> None:
    """Calls that one of them guards are allowed together with it."""
    for option, allowed in (((), False), (("--cap-add", "SYS_ADMIN"), True)):
        policy = read(*option).seccomp
        assert policy is not None
        names = {n for e in policy["syscalls"] for n in e["names"] if not e.get("args")}

        assert ("mount" in names) is allowed


def test_limits_have_dockers_form() -> None:
    """One number is both, -1 is none."""
    fields = read("--ulimit", "nofile=1024:2048", "--ulimit", "core=-1").process()

    assert fields["rlimits"] == [
        {"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 2048},
        {"type": "RLIMIT_CORE", "soft": (1 << 64) - 1, "hard": (1 << 64) - 1},
    ]


def test_security_options_have_dockers_two_forms() -> None:
    """And what is so anyway may be asked for."""
    assert read("--security-opt", "seccomp=unconfined").seccomp is None
    assert read("--security-opt", "seccomp:unconfined").seccomp is None
    assert read("--security-opt", "seccomp=builtin") == read()
    assert not read("--security-opt", "no-new-privileges=false").no_new_privileges
    assert read("--security-opt", "no-new-privileges").no_new_privileges
    assert (
        read("--security-opt", "label=disable", "--security-opt", "apparmor=unconfined") == read()
    )


def test_privileged_is_everything_but_what_is_taken_back() -> None:
    """docker's --privileged with a --cap-drop, a profile of one's own, no new privileges."""
    free = read("--privileged")
    bound = read("--privileged", "--cap-drop", "SYS_ADMIN", "--security-opt", "no-new-privileges")

    assert set(free.capabilities) == NUMBERS.keys()
    assert (free.seccomp, free.no_new_privileges, free.masked) == (None, False, False)
    assert set(bound.capabilities) == NUMBERS.keys() - {"CAP_SYS_ADMIN"}
    assert bound.no_new_privileges


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--cap-add", "FLY"], "no capability 'FLY'"),
        (["--cap-drop", ""], "no capability ''"),
        (["--security-opt", "seccomp="], "not supported"),
        (["--security-opt", "apparmor=docker-default"], "not supported"),
        (["--security-opt", "no-new-privileges=maybe"], "not supported"),
        (["--security-opt", "seccomp=/no/such"], "/no/such: No such file"),
        (["--ulimit", "speed=1"], "the names are"),
        (["--ulimit", "nofile=2:1"], "above the hard one"),
        (["--ulimit", "nofile"], "a limit is a number"),
        (["--ulimit", "nofile=-2"], "a limit is a number"),
        (["--ulimit", "nofile=1:2:3"], "a limit is a number"),
        (["--sysctl", "kernel.shmmax"], "NAME=VALUE"),
        (["--sysctl", "=1"], "NAME=VALUE"),
        (["--oom-score-adj=-1001"], "-1000 to 1000"),
    ],
)
def test_bad_option_is_refused_with_a_line(words: list[str], line: str) -> None:
    """Before anything is made."""
    with pytest.raises(ValueError, match=line):
        read(*words)


@pytest.mark.parametrize("text", ["[]", "{", '{"defaultAction": "SCMP_ACT_NOTIFY"}', "[" * 9999])
def test_bad_profile_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    """Whatever is in the file."""
    path = tmp_path / "profile.json"
    path.write_text(text)

    with pytest.raises(ValueError, match=str(path)):
        read("--security-opt", f"seccomp={path}")
