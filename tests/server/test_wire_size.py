"""Size policies as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptywire.size import MAX_COLS, MAX_ROWS, POLICIES, clamp, parse_policy


def test_names_and_sizes() -> None:
    """A name stands for itself, ROWSxCOLS for a size."""
    assert [parse_policy(name) for name in POLICIES] == list(POLICIES)
    assert parse_policy("24x80") == (24, 80)
    assert parse_policy(f"{MAX_ROWS}x{MAX_COLS}") == (MAX_ROWS, MAX_COLS)


@pytest.mark.parametrize("text", ["", "newest", "0x80", "24x0", "1001x80", "24x2001", "24x80x2"])
def test_mistakes_are_a_line(text: str) -> None:
    """It says what there is."""
    with pytest.raises(ValueError, match="latest, smallest, largest, owner or ROWSxCOLS"):
        parse_policy(text)


@given(st.integers(0, 65535), st.integers(0, 65535))
def test_a_clamped_size_is_one_that_can_be_asked_for(rows: int, cols: int) -> None:
    """Whatever a client says its window is."""
    size = clamp(rows, cols)

    assert parse_policy("{}x{}".format(*size)) == size
