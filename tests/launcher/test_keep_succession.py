"""What follows an epoch: whoever waits for the next one hears of it once, whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hypothesis import given
from hypothesis import strategies as st

from ptykeep.restarts import Restarts
from ptykeep.succession import WRITTEN_WITHIN, Succession

if TYPE_CHECKING:
    from ptykeep.order import Caller

POLICIES = st.sampled_from(["no", "on-failure", "always"])
STEPS = st.lists(st.sampled_from(["order", "fail", "succeed", "begin", "give up"]), max_size=30)


class Waiting:
    """Somebody who has given an order."""

    def __init__(self) -> None:
        self.answers: list[str] = []

    def answer(self, error: str = "", exit_code: int = 1) -> None:
        del exit_code
        self.answers.append(error)


@given(POLICIES, STEPS)
def test_everybody_is_answered_once(policy: str, steps: list[str]) -> None:
    """When the next epoch runs, or when there will be none; one that is ordered always follows."""
    succession = Succession(Restarts(policy, 0))
    waiting: list[Waiting] = []
    for step in steps:
        pending = [each for each in waiting if not each.answers]
        match step:
            case "order":
                waiting.append(Waiting())
                succession.order(cast("Caller", waiting[-1]))
            case "begin":
                succession.begin()
                assert all(each.answers == [""] for each in pending)
            case "give up":
                succession.give_up("stopped")
                assert all(each.answers == ["stopped"] for each in pending)
            case _:
                follows = succession.follow(int(step == "fail"), 0.0)
                assert follows is (succession.at is not None)
                assert follows or not pending

        assert all(len(each.answers) <= 1 for each in waiting)
        assert succession.is_ordered is any(not each.answers for each in waiting)


def test_the_next_epoch_waits_for_the_journal() -> None:
    """Its pipes hold what the last one printed; a server that is hung is missed once."""
    succession = Succession(Restarts("always", 0))
    succession.follow(1, 0.0)
    assert succession.at is not None
    late = succession.at + WRITTEN_WITHIN
    early = (succession.is_due(late), succession.misses_server(succession.at))
    missed = [succession.misses_server(late), succession.misses_server(late)]
    succession.is_written = True

    assert early == (False, False)
    assert missed == [True, False]
    assert succession.is_due(late)
    assert succession.deadline() == succession.at
