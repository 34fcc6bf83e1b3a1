"""The size policies: whose window decides, under any coming, going and typing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptyd.session.sizes import Sizes
from ptywire.size import MAX_COLS, MAX_ROWS, POLICIES

OFFERS = st.tuples(
    st.just("offer"), st.integers(1, 4), st.integers(0, 70000), st.integers(0, 70000), st.booleans()
)
ACTIONS = st.lists(
    OFFERS | st.tuples(st.sampled_from(["touch", "withdraw"]), st.integers(1, 4)), max_size=30
)


@given(ACTIONS, st.sampled_from(POLICIES))
def test_the_policy_chooses_among_those_who_count(actions: list[tuple], policy: str) -> None:
    """Held against a list that is kept in the order of activity."""
    sizes = Sizes(policy)
    counting: list[tuple[int, int, int, bool]] = []
    for what, client, *rest in actions:
        before = [entry for entry in counting if entry[0] == client]
        if what == "touch":
            sizes.touch(client)
            counting = [entry for entry in counting if entry[0] != client] + before
            continue
        counting = [entry for entry in counting if entry[0] != client]
        if what == "withdraw":
            sizes.withdraw(client)
            continue
        rows, cols, owner = rest
        sizes.offer(client, rows, cols, owner=owner)
        if rows and cols:
            counting.append((client, min(rows, MAX_ROWS), min(cols, MAX_COLS), owner))
    eligible = [entry for entry in counting if policy != "owner" or entry[3]]
    wanted = None
    if eligible:
        rows, cols = [e[1] for e in eligible], [e[2] for e in eligible]
        wanted = {
            "smallest": (min(rows), min(cols)),
            "largest": (max(rows), max(cols)),
        }.get(policy, (rows[-1], cols[-1]))

    assert sizes.choose() == wanted


@pytest.mark.parametrize("offers", [0, 2])
def test_a_fixed_size_is_nobodys(offers: int) -> None:
    """Who comes and goes changes nothing."""
    sizes = Sizes((24, 80))
    for client in range(offers):
        sizes.offer(client, 50, 132, owner=True)

    assert sizes.choose() == (24, 80)
