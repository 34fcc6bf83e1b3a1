"""Docker's restart policies: who comes back, how soon, and how often."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptykeep.restarts import FIRST_PAUSE, LONG_LIFE, LONGEST_PAUSE, Restarts

LIVES = st.lists(st.tuples(st.integers(0, 255), st.floats(0, 100)), max_size=40)


def pauses(policy: str, lives: list[tuple[int, float]], most: int = 0) -> list[float | None]:
    restarts = Restarts(policy, most)
    return [restarts.after(status, lasted) for status, lasted in lives]


@pytest.mark.parametrize(
    ("policy", "most", "expected"),
    [
        ("no", 0, [False, False, False]),
        ("on-failure", 0, [True, False, True]),
        ("on-failure", 1, [True, False, False]),
        ("always", 0, [True, True, True]),
        ("unless-stopped", 0, [True, True, True]),
    ],
    ids=["no", "on-failure", "on-failure:1", "always", "unless-stopped"],
)
def test_who_is_started_again(policy: str, most: int, expected: list[bool]) -> None:
    """After a failure, a success and a failure."""
    found = pauses(policy, [(1, 0.0), (0, 0.0), (137, 0.0)], most)

    assert [pause is not None for pause in found] == expected


def test_pauses_double_up_to_a_minute() -> None:
    """100 ms at first; ten seconds of running and they begin anew."""
    found = pauses("always", [(1, 0.0)] * 12 + [(1, LONG_LIFE), (1, 9.9)])

    assert found[:4] == [0.1, 0.2, 0.4, 0.8]
    assert found[9:] == [51.2, 60.0, 60.0, 0.1, 0.2]


@given(st.sampled_from(["no", "on-failure", "always", "unless-stopped"]), st.integers(0, 5), LIVES)
def test_whatever_happens(policy: str, most: int, lives: list[tuple[int, float]]) -> None:
    """A pause is within its bounds, and no policy is applied more often than it says."""
    restarts = Restarts(policy, most)
    found = [restarts.after(status, lasted) for status, lasted in lives]
    again = [pause for pause in found if pause is not None]

    assert all(FIRST_PAUSE <= pause <= LONGEST_PAUSE for pause in again)
    assert restarts.count == len(again)
    assert policy != "on-failure" or not most or len(again) <= most
    assert policy != "no" or not again


def test_a_stop_ends_the_policy_until_the_next_start() -> None:
    """Who has ended it on purpose does not want it back; who starts it does."""
    restarts = Restarts("always", 0)
    restarts.after(1, 0.0)
    restarts.cancel()
    stopped = restarts.after(1, 0.0)
    restarts.begin_anew()

    assert stopped is None
    assert (restarts.after(1, 0.0), restarts.count) == (FIRST_PAUSE, 1)
