"""Plain command lines, held against the parser of the standard library."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptylaunch import plain
from ptylaunch.arguments import declare_commands, declare_general
from ptylaunch.errors import Refused
from ptylaunch.parser import parse_anything

COMMANDS = (
    *("create", "run", "exec", "update", "events", "start", "kill", "pause", "resume", "delete"),
    *("state", "list", "ps", "spec", "features", "checkpoint"),
)
WORDS = (
    *("--root", "--root=/r", "--log", "--log-format", "--log-format=json", "json", "--debug"),
    *("--bundle", "-b", "-b=x", "-bx", "--bundle=", "--detach", "-d", "--detach=1", "--keep"),
    *("--preserve-fds", "--preserve-fds=2", "3", "-1", "x", "y", "", "-", "--", "--all", "-a"),
    *("--env", "-e", "--env=A=B", "A=B", "--cgroup", "--cgroup=c", "--ignore-paused", "--tty"),
    *("-t", "-dt", "--memory", "--memory=1m", "--force", "-f", "--format", "--format=json"),
    *("KILL", "-ef", "--rootless", "--rootless=true", "true", "--help", "-v", "--det", "a b"),
)
LINES = st.builds(
    lambda before, command, after: [*before, command, *after],
    st.lists(st.sampled_from(WORDS), max_size=3),
    st.sampled_from(COMMANDS),
    st.lists(st.sampled_from(WORDS), max_size=6),
)


def read(argv: list[str]) -> dict[str, Any] | None:
    found = plain.read(argv, declare_general, declare_commands)
    return None if found is None else comparable(vars(found))


def comparable(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out the function, which each declaration makes anew."""
    return {name: value for name, value in values.items() if name != "run"}


@given(LINES)
def test_a_plain_line_means_what_argparse_says(argv: list[str]) -> None:
    """Whatever is read at all is read the same; the rest is for argparse."""
    found = read(argv)
    if found is not None:
        assert found == comparable(vars(parse_anything(argv)))


@pytest.mark.parametrize(
    "line",
    [
        "run -b /b x",
        "run --bundle /b --detach --pid-file p x",
        "--root /r --log l --log-format json --debug create --bundle=/b --console-socket s x",
        "--root=/r exec --process p --pid-file q --detach x",
        "exec -t -e A=B -e C=D x sh -c true",
        "start x",
        "kill x KILL",
        "kill --all x 9",
        "delete --force x",
        "state x",
        "list -q",
        "ps --format json x",
        "update --memory 1m x",
    ],
)
def test_what_engines_ask_for_is_plain(line: str) -> None:
    """Such lines are read without argparse, to the same effect."""
    found = read(line.split())

    assert found == comparable(vars(parse_anything(line.split())))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "run",
        "fly x",
        "run -b",
        "run --no-such x",
        "run x y",
        "run --help",
        "--version",
        "run -- x",
    ],
)
def test_what_is_not_plain_is_left_alone(line: str) -> None:
    """Mistakes above all: argparse says what is wrong."""
    assert read(line.split()) is None


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("exec --cgroup c x sh", "--cgroup is not supported"),
        ("exec --apparmor p x sh", "--apparmor is not supported"),
        ("update --l3-cache-schema s x", "--l3-cache-schema is not supported"),
        ("checkpoint", "checkpoint is not supported yet"),
        ("run --preserve-fds many x", "argument --preserve-fds: 'many' is no number of fds"),
        ("run --no-such x", "unrecognized arguments: --no-such"),
    ],
)
def test_what_is_wrong_is_said(line: str, complaint: str) -> None:
    """An option that means something here is refused by its name."""
    with pytest.raises(Refused, match=complaint):
        parse_anything(line.split())
