"""No attack leaves anything behind, on the host or beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import leaks

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    with leaks.checked():
        yield
