"""Every end-to-end test has a root of its own and leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import leaks
from ptyd_user import Ptyd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _nothing_leaks(tmp_path: Path) -> Iterator[None]:
    with leaks.checked(str(tmp_path)):
        yield


@pytest.fixture
def ptyd(tmp_path: Path) -> Iterator[Ptyd]:
    """The commands, with an empty state; what a test leaves running is removed, and stays gone."""
    ptyd = Ptyd(str(tmp_path / "root"))
    try:
        yield ptyd
    finally:
        ptyd.remove_all()
    assert ptyd.left() == [], "rm -f left files"
