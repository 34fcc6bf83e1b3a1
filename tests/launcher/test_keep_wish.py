"""What ``exec`` may ask for: whatever is sent, nothing but the container's own privileges."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptykeep.wish import LARGEST, check, read_request
from ptylaunch.errors import LaunchFailed
from ptylaunch.programspec import read_program

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESS: dict[str, Any] = {
    "args": ["sleep", "1"],
    "env": ["PATH=/bin", "HOME=/root", "A=container"],
    "cwd": "/root",
    "user": {"uid": 3, "gid": 4, "additionalGids": [5]},
    "capabilities": {"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"]},
    "noNewPrivileges": True,
    "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20}],
    "oomScoreAdj": 100,
    "terminal": True,
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
KEYS = ["args", "env", "cwd", "user", "tty", "rows", "cols", "stdin", "foreground", "key"]
KEYS += ["on_disconnect", "privileged", "capabilities", "noNewPrivileges", "rlimits", "oomScoreAdj"]


@contextlib.contextmanager
def file_of(data: bytes) -> Iterator[int]:
    fd = os.memfd_create("request")
    os.write(fd, data)
    try:
        yield fd
    finally:
        os.close(fd)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_anything_is_a_wish_or_a_failure(fields: dict[str, Any]) -> None:
    """And a wish has the container's privileges, to the letter."""
    try:
        wish = check(fields, PROCESS, {})
    except LaunchFailed:
        return
    own = read_program(PROCESS, {})

    assert wish.program.capabilities == own.capabilities
    assert wish.program.no_new_privileges
    assert wish.program.limits == own.limits
    assert (wish.program.uid, wish.program.gid, wish.program.groups) == (3, 4, (5,))
    assert wish.program.oom_score_adj == 100


def test_what_is_asked_for_is_over_what_is_there() -> None:
    """Variables one by one, the folder as a whole; the terminal is the request's alone."""
    fields = {"args": ["ls"], "env": ["A=mine", "B=2"], "cwd": "/tmp", "rows": 7, "cols": 9}
    program = check(fields, PROCESS, {}).program

    assert program.args == ("ls",)
    assert program.env == ("PATH=/bin", "HOME=/root", "A=mine", "B=2")
    assert (program.cwd, program.terminal, program.rows, program.cols) == ("/tmp", False, 7, 9)
    assert check({"args": ["ls"]}, PROCESS, {}).program.cwd == "/root"


def test_home_follows_a_user_unless_it_is_given() -> None:
    """As docker has it."""
    assert check({"args": ["ls"], "user": "ann"}, PROCESS, {}).find_home
    assert not check({"args": ["ls"], "user": "ann", "env": ["HOME=/x"]}, PROCESS, {}).find_home
    assert not check({"args": ["ls"]}, PROCESS, {}).find_home


def test_more_privileges_are_refused_by_name() -> None:
    """``--privileged`` is a refusal, not an option that does nothing."""
    with pytest.raises(LaunchFailed, match="no more than the container"):
        check({"args": ["ls"], "privileged": True}, PROCESS, {})


@given(st.binary(max_size=50))
def test_any_file_is_a_request_or_a_failure(data: bytes) -> None:
    """A server gone mad does not end a keeper."""
    with file_of(data) as fd, contextlib.suppress(LaunchFailed):
        assert isinstance(read_request(fd), dict)


@pytest.mark.parametrize("size", [0, LARGEST - 20, LARGEST, LARGEST + 1])
def test_requests_have_a_bound(size: int) -> None:
    """A mebibyte, wherever the file's offset is."""
    data = json.dumps({"args": ["x" * size]}).encode()
    with file_of(data) as fd:
        if len(data) <= LARGEST:
            assert read_request(fd)["args"] == ["x" * size]
        else:
            with pytest.raises(LaunchFailed):
                read_request(fd)
