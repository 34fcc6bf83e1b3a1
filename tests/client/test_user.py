"""Who the program is: names and numbers, looked up in the box's own files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycli.idmap import IdMaps, rooted
from ptycli.user import User, find_user
from ptylaunch.plan import IdRange

if TYPE_CHECKING:
    from pathlib import Path

MAPS = rooted(524288)
PASSWD = """\
root:x:0:0:root:/root:/bin/sh
ann:x:1000:100:Ann:/home/ann:/bin/sh
1000:x:7:7::/home/number:/bin/sh
broken
bad:x:minus:0::/:/bin/sh
lost:x:70000:0::/:/bin/sh
"""
GROUP = "root:x:0:\nusers:x:100:\naudio:x:29:ann,bob\nvideo:x:44:bob,ann\nbroken\n"


@pytest.fixture
def rootfs(tmp_path: Path) -> str:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("user", "groups", "expected"),
    [
        (None, [], User()),
        (None, ["audio", "5"], User(0, 0, (29, 5))),
        ("0", [], User()),
        ("ann", [], User(1000, 100, (29, 44), "/home/ann")),
        ("ann", ["29"], User(1000, 100, (29, 44), "/home/ann")),
        ("ann:users", [], User(1000, 100, (), "/home/ann")),
        ("ann:7", ["video"], User(1000, 7, (44,), "/home/ann")),
        ("1000", [], User(7, 7, (), "/home/number")),
        ("1001", [], User(1001, 0)),
        ("1001:1002", [], User(1001, 1002)),
        ("4000:users", [], User(4000, 100)),
    ],
)
def test_user_is_who_the_box_says(
    rootfs: str, user: str | None, groups: list[str], expected: User
) -> None:
    """As docker has it: a name before a number, groups of the files unless one is given."""
    assert find_user(rootfs, user, groups, MAPS) == expected


@pytest.mark.parametrize(
    ("user", "groups", "line"),
    [
        ("nobody", [], "no user nobody"),
        ("bad", [], "no user bad"),
        ("ann:staff", [], "no group staff"),
        ("0", ["staff"], "no group staff"),
        ("", [], "it looks like"),
        (":", [], "it looks like"),
        ("1:", [], "it looks like"),
        ("-1", [], "it looks like"),
        ("1:2:3", [], "it looks like"),
        ("1\n", [], "it looks like"),
        ("65536", [], "65536 does not exist inside"),
        ("0", ["65536"], "65536 does not exist inside"),
        ("lost", [], "70000 does not exist inside"),
        ("4294967295", [], "4294967295 does not exist inside"),
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


def test_files_of_an_image_are_read_inside_it(rootfs: str, tmp_path: Path) -> None:
    """A link leads nowhere but into the box; a fifo is not waited for."""
    (tmp_path / "etc/passwd").unlink()
    (tmp_path / "etc/passwd").symlink_to("/etc/group")
    (tmp_path / "etc/group").unlink()
    os.mkfifo(tmp_path / "etc/group")

    assert find_user(rootfs, "12", [], MAPS) == User(12, 0)


@given(st.text(alphabet="ab01:-+\n ", max_size=12))
def test_text_is_either_a_user_of_the_box_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """And a number is that number."""
    empty = tmp_path_factory.mktemp("root")
    try:
        found = find_user(str(empty), text, [], MAPS)
    except ValueError:
        return

    assert found.uid == int(text.partition(":")[0])
    assert found.gid == int(text.partition(":")[2] or 0)
