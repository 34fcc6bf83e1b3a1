"""What becomes of a program when its clients go, with a loop that only remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from ptyd.session.parting import GRACE, Parting

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """A loop whose time passes when a test says so."""

    def __init__(self) -> None:
        self.timers: list[Timer] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        assert delay == GRACE
        self.timers.append(Timer(self, callback))
        return self.timers[-1]

    def pass_by(self) -> None:
        for timer in list(self.timers):
            timer.cancel()
            timer.callback()


class Timer:
    def __init__(self, clock: Clock, callback: Callable[[], None]) -> None:
        self.clock, self.callback = clock, callback

    def cancel(self) -> None:
        self.clock.timers.remove(self)


class Watched:
    """A program with a policy, and what was done about it."""

    def __init__(self, policy: str) -> None:
        self.clock = Clock()
        self.done: list[str] = []
        self.parting = Parting(
            cast("Any", self.clock),
            policy,
            hang_up=lambda: self.done.append("hup"),
            keep=lambda: self.done.append("keep"),
        )


@pytest.fixture(params=["keep", "hup"])
def watched(request: pytest.FixtureRequest) -> Watched:
    return Watched(request.param)


def test_keep_is_to_do_nothing() -> None:
    """Whoever goes, and however."""
    watched = Watched("keep")
    watched.parting.arrive()
    watched.parting.leave(on_purpose=False)
    watched.parting.arrive()
    watched.parting.leave(on_purpose=True)

    assert watched.clock.timers == []
    assert watched.done == []


def test_hup_comes_when_nobody_comes_back() -> None:
    """Once, and after the grace; also when nobody ever came."""
    gone, alone = Watched("hup"), Watched("hup")
    gone.parting.arrive()
    gone.parting.leave(on_purpose=False)
    for watched in (gone, alone):
        assert watched.done == []
        watched.clock.pass_by()
        watched.clock.pass_by()

    assert gone.done == alone.done == ["hup"]


def test_who_comes_back_in_time_has_not_vanished() -> None:
    """Nor is one missed while another is there."""
    watched = Watched("hup")
    watched.parting.arrive()
    watched.parting.leave(on_purpose=False)
    watched.parting.arrive()
    watched.parting.arrive()
    watched.parting.leave(on_purpose=False)
    watched.clock.pass_by()

    assert watched.done == []


def test_leaving_on_purpose_ends_the_watch() -> None:
    """For ever, and it is written down; but not while somebody else is there."""
    watched = Watched("hup")
    watched.parting.arrive()
    watched.parting.arrive()
    watched.parting.leave(on_purpose=True)
    assert watched.done == []
    watched.parting.leave(on_purpose=True)
    watched.parting.arrive()
    watched.parting.leave(on_purpose=False)
    watched.clock.pass_by()

    assert watched.done == ["keep"]


def test_a_program_that_has_ended_is_not_hung_up(watched: Watched) -> None:
    """Its clients go because it has."""
    watched.parting.arrive()
    watched.parting.end()
    watched.parting.leave(on_purpose=False)
    watched.clock.pass_by()

    assert watched.done == []
