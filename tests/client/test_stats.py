"""The arithmetic of ``ptyd stats``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycli.population import Sample
from ptycli.stats import binary_size, cpu_percent

NOTHING = Sample(0.0, 0, 0, None, 0, None, None)


@pytest.mark.parametrize(
    ("cpu", "moment", "said"),
    [(500_000_000, 1.0, "50.00%"), (4_000_000_000, 2.0, "200.00%"), (0, 1.0, "0.00%")],
)
def test_a_processor_that_is_busy_is_a_hundred(cpu: int, moment: float, said: str) -> None:
    """Two are two hundred, as docker has it."""
    assert cpu_percent(NOTHING, NOTHING._replace(cpu=cpu, moment=moment)) == said


@given(st.none() | st.integers(0, 1 << 60), st.none() | st.integers(0, 1 << 60), st.floats(0, 1e6))
def test_time_never_runs_backwards(first: int | None, second: int | None, moment: float) -> None:
    """Whatever was counted: one that was started again has used less than before."""
    before, now = NOTHING._replace(cpu=first), NOTHING._replace(cpu=second, moment=moment)

    assert float(cpu_percent(before, now).removesuffix("%")) >= 0
    assert cpu_percent(None, now) == "0.00%"


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0B"), (1023, "1023B"), (1536, "1.5KiB"), (3 << 20, "3MiB"), (5 << 40, "5TiB")],
)
def test_memory_is_in_binary_units(size: int, said: str) -> None:
    """As docker shows it."""
    assert binary_size(size) == said
