"""The size policies: whose window decides, under any coming, going and typing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptyd.session.sizes import Sizes
from ptywire.size import MAX_COLS, MAX_ROWS, POLICIES

CLIENTS = st.integers(1, 4)
OFFERS = st.tuples(
    st.just("offer"), CLIENTS, st.integers(0, 70000), st.integers(0, 70000), st.booleans()
)
ACTIONS = st.lists(
    OFFERS | st.tuples(st.sampled_from(["touch", "leave", "come back"]), CLIENTS), max_size=30
)


class Model:
    """The same kept in lists: who counts, in the order of coming, and who was active, the last."""

    def __init__(self) -> None:
        self.counting: dict[int, tuple[int, int, bool]] = {}
        self.active: list[int] = []
        self.here = {1, 2, 3, 4}

    def choose(self, policy: str) -> tuple[int, int] | None:
        eligible = [c for c, offer in self.counting.items() if policy != "owner" or offer[2]]
        if not eligible:
            return None
        rows = [self.counting[c][0] for c in eligible]
        cols = [self.counting[c][1] for c in eligible]
        if policy in ("smallest", "largest"):
            choose = min if policy == "smallest" else max
            return choose(rows), choose(cols)
        latest = next((c for c in reversed(self.active) if c in eligible), eligible[0])
        return self.counting[latest][:2]


@given(ACTIONS, st.sampled_from(POLICIES))
def test_the_policy_chooses_among_those_who_count(actions: list[tuple], policy: str) -> None:
    """Who comes, or says again how large its window is, is not active by that."""
    sizes, model = Sizes(policy), Model()
    left = dict.fromkeys(model.here, 0)
    for client in model.here:
        sizes.join(client, active=0)
    for what, client, *rest in actions:
        if what == "come back" and client not in model.here:
            sizes.join(client, active=left[client])
            model.here.add(client)
        elif client not in model.here:
            continue
        elif what == "touch":
            sizes.touch(client)
            model.active = [each for each in model.active if each != client] + [client]
        elif what == "leave":
            left[client] = sizes.leave(client)
            model.here.remove(client)
            model.counting.pop(client, None)
        elif what == "offer":
            rows, cols, owner = rest
            sizes.offer(client, rows, cols, owner=owner)
            if rows and cols:
                model.counting[client] = (min(rows, MAX_ROWS), min(cols, MAX_COLS), owner)
            else:
                model.counting.pop(client, None)

    assert sizes.choose() == model.choose(policy)


@pytest.mark.parametrize("offers", [0, 2])
def test_a_fixed_size_is_nobodys(offers: int) -> None:
    """Who comes and goes changes nothing."""
    sizes = Sizes((24, 80))
    for client in range(offers):
        sizes.offer(client, 50, 132, owner=True)

    assert sizes.choose() == (24, 80)
