"""Who the program is: names and numbers, looked up in the box's own files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ptycli.idmap import IdMaps, rooted
from ptycli.user import ROOT, find_user
from ptylaunch.account import Account
from ptylaunch.plan import IdRange

if TYPE_CHECKING:
    from pathlib import Path

MAPS = rooted(524288)
PASSWD = """\
root:x:0:0:root:/root:/bin/sh
ann:x:1000:100:Ann:/home/ann:/bin/sh
lost:x:70000:0::/:/bin/sh
"""
GROUP = "root:x:0:\nusers:x:100:\naudio:x:29:ann,bob\nvideo:x:44:bob,ann\n"


@pytest.fixture
def rootfs(tmp_path: Path) -> str:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("user", "groups", "expected"),
    [
        (None, [], ROOT),
        (None, ["audio", "5"], Account(0, 0, (29, 5), "/root")),
        ("0", [], ROOT),
        ("ann", [], Account(1000, 100, (29, 44), "/home/ann")),
        ("ann", ["29"], Account(1000, 100, (29, 44), "/home/ann")),
        ("ann:7", ["video"], Account(1000, 7, (44,), "/home/ann")),
        ("1001", [], Account(1001, 0, (), "/")),
        ("4000:users", ["5", "5"], Account(4000, 100, (5,), "/")),
    ],
)
def test_user_is_who_the_box_says(
    rootfs: str, user: str | None, groups: list[str], expected: Account
) -> None:
    """As docker has it: the groups of its files unless one is given; ptylaunch.account does it."""
    assert find_user(rootfs, user, groups, MAPS) == expected


@pytest.mark.parametrize(
    ("user", "groups", "line"),
    [
        ("nobody", [], "nobody is not in /etc/passwd"),
        ("ann:staff", [], "staff is not in /etc/group"),
        ("0", ["staff"], "staff is not in /etc/group"),
        ("0", ["1:2"], "it looks like"),
        ("0", [""], "it looks like"),
        ("", [], "it looks like"),
        ("65536", [], "65536 does not exist inside"),
        ("0", ["65536"], "65536 does not exist inside"),
        ("lost", [], "70000 does not exist inside"),
        ("4294967294", [], "4294967294 does not exist inside"),
    ],
)
def test_bad_user_is_refused_with_a_line(
    rootfs: str, user: str, groups: list[str], line: str
) -> None:
    """Never made into another one (CVE-2026-30892)."""
    with pytest.raises(ValueError, match=line):
        find_user(rootfs, user, groups, MAPS)


def test_box_with_one_id_has_no_other_user(rootfs: str) -> None:
    """And the line says why."""
    single = IdMaps((IdRange(0, 1, 1),), (IdRange(0, 1, 1),), "newuidmap is not installed")

    with pytest.raises(ValueError, match=r"2000 does not exist inside \(newuidmap"):
        find_user(rootfs, "2000", [], single)
