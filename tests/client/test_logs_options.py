"""The options of ``ptyd logs``, read without argparse where they are plain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycli.arguments import Failure, Parser
from ptycli.logs import declare, parse
from ptylaunch.plain import read_one

WORDS = (
    *("-f", "--follow", "-n", "--tail", "--tail=3", "-n3", "-fn", "5", "all", "-1", "--since"),
    *("--until=1m", "90s", "-t", "--timestamps", "--stream", "--stream=stderr", "stdout", "both"),
    *("--format", "cri", "--format=raw", "--no-such", "--fol", "--help", "-h", "--", "-", ""),
    *("box", "box/1", "a b"),
)


def by_argparse(words: list[str]) -> dict[str, object]:
    parser = Parser("logs", "", "")
    declare(parser)
    return vars(parser.parse_args(words))


@given(st.lists(st.sampled_from(WORDS), max_size=6))
def test_a_plain_line_means_what_argparse_says(words: list[str]) -> None:
    """Whatever is read at all is read the same; the rest is for argparse."""
    found = read_one(words, declare)
    if found is not None:
        assert vars(found) == by_argparse(words)


@pytest.mark.parametrize(
    "line", ["box", "-f box", "--tail 5 box", "box -f --tail=5", "-t --stream stderr -n 3 box/1"]
)
def test_what_is_typed_most_is_plain(line: str) -> None:
    """The way that a log takes to its first byte is the short one."""
    found = read_one(line.split(), declare)

    assert found is not None
    assert vars(found) == by_argparse(line.split())


@pytest.mark.parametrize(
    ("line", "complaint"),
    [("", "required: NAME"), ("box box", "unrecognized"), ("--tial 5 box", "mean --tail")],
)
def test_what_is_wrong_is_said(line: str, complaint: str) -> None:
    """In the words of every other verb."""
    with pytest.raises(Failure, match=complaint):
        parse(line.split())
