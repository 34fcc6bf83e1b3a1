"""Whose window has the say: the latest active controller's, and who merely comes is not active."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ptyd.net import viewer

if TYPE_CHECKING:
    import pytest

    from served import Served
    from wire_client import WireClient


def key(served: Served, client: WireClient) -> None:
    """Type something, and wait until the program has it."""
    client.type(b"k")
    assert served.typed(1) == b"k"


def test_who_joins_does_not_take_the_size(served: Served) -> None:
    """Not from one who types, not from one who came first; its typing does."""
    first = served.attached(rows=30, cols=90)
    second = served.attached(rows=40, cols=70)
    sizes = [served.session.size]
    key(served, second)
    sizes.append(served.session.size)
    key(served, first)
    third = served.attached(rows=20, cols=50)
    sizes.append(served.session.size)

    assert sizes == [(30, 90), (40, 70), (30, 90)]
    assert (third.hello["rows"], third.hello["cols"]) == (30, 90)


def test_a_window_that_is_changed_takes_the_size(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is being laid out, right after it was opened, does not."""
    first = served.attached(rows=30, cols=90)
    key(served, first)
    second = served.attached(rows=40, cols=70)
    second.resize(41, 70)
    key(served, first)  # whatever was sent before has been heard
    assert served.session.size == (30, 90)
    monkeypatch.setattr(viewer, "SETTLING", 0.0)
    third = served.attached(rows=20, cols=50)
    third.resize(21, 50)

    served.wait(lambda: served.session.size == (21, 50))


def test_who_comes_back_was_active(served: Served) -> None:
    """A connection that broke costs nobody the size, whether or not that was noticed."""
    other = served.attached(rows=30, cols=90)
    active = served.attached(rows=40, cols=70)
    key(served, other)
    key(served, active)
    place = {"client": active.hello["client"], "rows": 40, "cols": 70}
    again = served.attached(**place)
    unnoticed = again.hello["rows"]
    again.close()
    active.close()
    served.wait(lambda: served.session.size == (30, 90))
    served.attached(**place)

    assert unnoticed == 40
    served.wait(lambda: served.session.size == (40, 70))


def test_what_a_terminal_says_by_itself_is_no_activity(served: Served) -> None:
    """The elected one answers queries all day."""
    first = served.attached(rows=30, cols=90)
    elected = served.attached(rows=40, cols=70, answers=True)
    key(served, first)
    elected.wait_until(lambda: elected.snapshots == 1)
    served.print(b"\x1b[6n")
    elected.read_until(b"\x1b[6n")
    elected.type(b"\x1b[1;1R")

    assert served.typed(6) == b"\x1b[1;1R"
    assert served.session.size == (30, 90)
