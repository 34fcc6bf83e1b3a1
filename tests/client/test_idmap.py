"""Id maps: root's ranges, an ordinary user's subordinate ids, or one id and a notice."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ptycli import idmap
from ptycli.idmap import parse_subids, rooted, rootless
from ptylaunch.plan import IdRange

if TYPE_CHECKING:
    import pytest


def test_root_maps_its_range() -> None:
    """65536 ids from the base, so that nobody exists."""
    maps = rooted(524288)

    assert maps.uids == maps.gids == (IdRange(0, 524288, 65536),)
    assert maps.root_uid == 524288
    assert maps.notice == ""


def test_user_is_root_of_its_box(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own id comes first, the subordinate ones behind it, up to 65536."""
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/" + name)
    monkeypatch.setattr(idmap, "_read_subids", lambda *_: [(100000, 5), (200000, 65536)])
    maps = rootless()

    assert maps.uids == (
        IdRange(0, os.getuid(), 1),
        IdRange(1, 100000, 5),
        IdRange(6, 200000, 65530),
    )
    assert maps.notice == ""
    assert not maps.rooted


def test_without_newuidmap_there_is_one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the user is told what to install."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    maps = rootless()

    assert maps.uids == (IdRange(0, os.getuid(), 1),)
    assert maps.gids == (IdRange(0, os.getgid(), 1),)
    assert "newuidmap" in maps.notice


def test_without_subordinate_ids_there_is_one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the user is told which file names nobody."""
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/" + name)
    monkeypatch.setattr(idmap, "_read_subids", lambda path, *_: [] if "gid" in path else [(1, 9)])
    maps = rootless()

    assert len(maps.uids) == 1
    assert "/etc/subgid" in maps.notice


def test_lines_count_by_name_and_by_number() -> None:
    """subuid(5): both are owners; what is not three fields is nobody's."""
    text = "me:100000:65536\nyou:1:1\n1000:200000:10\nme:x:1\nme:5\n# me:1:1\n\nme:7:0\n"

    assert parse_subids(text, "me", 1000) == [(100000, 65536), (200000, 10)]


@given(st.text())
def test_no_text_makes_parsing_raise(text: str) -> None:
    """The file is an administrator's, not ours."""
    assert all(count > 0 for _, count in parse_subids("me:1:2\n" + text, "me", 0))
