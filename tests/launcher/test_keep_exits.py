"""The file of exits: a status is there for whoever had it open, whatever becomes of the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ptykeep import exits

if TYPE_CHECKING:
    from pathlib import Path


def test_a_status_outlives_its_folder(tmp_path: Path) -> None:
    """Those before are not waited for; what is removed is seen."""
    exits.prepare(str(tmp_path))
    exits.note(str(tmp_path), 1, 9)
    waiting = exits.Exits(str(tmp_path))
    before = (waiting.status(), waiting.is_removed)
    exits.note(str(tmp_path), 2, 137)
    exits.note(str(tmp_path), 3, 0)
    (tmp_path / exits.NAME).unlink()
    after = (waiting.status(), waiting.is_removed)
    waiting.close()

    assert before == (None, False)
    assert after == (137, True)


def test_a_container_of_an_older_ptyd(tmp_path: Path) -> None:
    """There is no file: the keeper does without, the waiter is told."""
    exits.note(str(tmp_path), 1, 0)

    with pytest.raises(FileNotFoundError):
        exits.Exits(str(tmp_path))
