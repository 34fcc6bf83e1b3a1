"""What a server says of a screen, and a hostile one might."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptyc.look import resize
from ptyd.screen.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([]),
    st.sampled_from([0, 1, 65535, 1 << 63, 1 << 64]),
)  # fmt: skip


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    emulator = Emulator(24, 80)
    yield emulator
    emulator.close()


def test_a_resize_is_followed(emulator: Emulator) -> None:
    """Of another event nothing is."""
    resize(emulator, {"event": "resized", "rows": 30, "cols": 90})
    resize(emulator, {"event": "clients", "rows": 1, "cols": 1})

    assert len(emulator.text()) == 30


@given(fields=st.fixed_dictionaries({}, optional={"rows": ODD, "cols": ODD}))
def test_no_size_makes_it_raise(emulator: Emulator, fields: dict[str, Any]) -> None:
    """Missing, odd or huge."""
    resize(emulator, {"event": "resized", **fields})
