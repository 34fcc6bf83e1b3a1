"""The window's law: in flight is what was sent and not acknowledged, near a tenth of a second."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ptyd.net.window import CEILING, FINE, FLOOR, GENEROUS, LEAST, PATIENCE, RESPONSE, Window

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(5000, 8191) | st.integers(1, 100_000)),
        st.tuples(st.just("ack"), st.integers(0, 300_000)),
        st.tuples(st.just("wait"), st.integers(0, 2_000)),
    ),
    max_size=60,
)


@given(STEPS, st.booleans())
def test_no_more_is_in_flight_than_the_window_was(
    steps: list[tuple[str, int]],
    lossless: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    """Whoever sends no more than the room there is stays within it; acks count whole messages."""
    window, now, sent = Window(lossless=lossless), 1000.0, 0
    ends: list[int] = []
    for what, amount in steps:
        if what == "wait":
            now += amount / 1000
        elif what == "ack":
            window.on_ack(amount, now)
            ends = [end for end in ends if end > amount]
            acked = sent if not ends else None
            assert acked is None or window.in_flight == 0
        elif room := window.room:
            size = min(amount, room)
            sent += size
            ends.append(sent)
            window.on_sent(sent, size, now)
            assert window.in_flight <= window.size

        assert 0 <= window.in_flight <= sent
        assert window.in_flight >= (sent - ends[0] if ends else 0)
        assert FLOOR <= window.size <= CEILING
        assert window.room == 0 or min(LEAST, window.size // 2) <= window.room <= window.size
        assert window.patience >= FLOOR


def test_small_messages_cost_little() -> None:
    """They may come one byte at a time, and a viewer may never acknowledge one."""
    window = Window(lossless=True)
    for end in range(1, 100_000):
        window.on_sent(end, 1, 1000.0)

    assert len(window._flight) <= 4 * FINE
    assert window.in_flight == 99_999
    window.on_ack(99_999, 1001.0)
    assert window.in_flight == 0


def run(rate: float, *, seconds: float = 5.0, delay: float = 0.02) -> Window:
    """Return the window after a viewer that renders ``rate`` bytes a second has been fed."""
    window, now, sent, rendered = Window(lossless=False), 0.0, 0, 0.0
    flight: list[tuple[int, float]] = []
    while now < seconds:
        if room := window.room:
            sent += room
            window.on_sent(sent, room, now)
            rendered = max(rendered, now + delay / 2) + room / rate
            flight.append((sent, rendered + delay / 2))
        else:
            end, at = flight.pop(0)
            now = max(now, at)
            window.on_ack(end, now)
    return window


def test_a_slow_viewer_has_a_tenth_of_a_second_in_flight() -> None:
    """So Ctrl-C is felt soon, at any speed above the floor's."""
    for rate in (200e3, 1e6, 5e6):
        window = run(rate)

        assert window.rate is not None
        assert 0.4 * rate < window.rate < 1.5 * rate
        assert 0.4 * RESPONSE * rate <= window.size <= max(FLOOR, 1.5 * RESPONSE * rate)


def test_a_very_slow_viewer_keeps_the_floor() -> None:
    """Below it headers would be most of what is sent."""
    assert run(20e3).size == FLOOR


def test_a_fast_viewer_stops_at_the_ceiling() -> None:
    """However fast it is, no more than a megabyte waits in its sockets."""
    assert run(1e9, seconds=1.0, delay=0.0005).size == CEILING


def test_patience_is_a_quarter_of_a_second() -> None:
    """Before anything is known a megabyte; then a time, never less than the floor."""
    window = run(5e6)
    assert window.rate is not None

    assert Window(lossless=False).patience == GENEROUS
    assert window.patience == PATIENCE * window.rate
    assert run(1e3, seconds=60).patience == FLOOR


def test_an_idle_program_says_nothing_about_its_viewer() -> None:
    """A key a second is answered in no time; the window is not cut down to it."""
    window = run(5e6)
    window.on_ack(1 << 40, 99.0)
    window.on_sent((1 << 40) + 1, 1, 99.0)  # the last that the window held back
    before, now = window.size, 100.0
    for key in range(2, 100):
        window.on_sent(1 << 40 | key, 1, now)
        window.on_ack(1 << 40 | key, now + 0.02)
        now += 1.0

    assert window.size >= before


def test_acks_from_the_future_count_as_all() -> None:
    """A client that lies harms itself alone; what is sent next is in flight again."""
    window = Window(lossless=True)
    window.on_sent(100, 100, 1.0)
    window.on_ack(1 << 60, 2.0)
    assert window.in_flight == 0
    window.on_sent(200, 100, 3.0)

    assert window.in_flight == 100


def test_acks_from_the_past_count_for_nothing() -> None:
    """Nor do those in the middle of a message: what is half on the screen is not on it."""
    window = Window(lossless=True)
    window.on_sent(1100, 100, 1.0)
    for offset in (0, 1000, 1099):
        window.on_ack(offset, 2.0)
        assert window.in_flight == 100
    window.on_ack(1100, 3.0)
    window.on_ack(0, 4.0)

    assert window.in_flight == 0


def test_a_lossless_viewer_starts_wide() -> None:
    """A pipe at the other end wants throughput, and there is no Ctrl-C to wait for it."""
    window = Window(lossless=True)
    window.on_sent(10, 10, 0.0)
    window.on_ack(10, 1.0)

    assert window.size == CEILING
