"""Frames: encoded once, found by where they start, never more than about a megabyte."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ptyd.journal.index import STDERR, STDOUT, TERMINAL
from ptyd.session.frame import KEPT_BYTES, KEPT_FRAMES, Frame, Frames, encode_frame
from ptywire import message as wire
from ptywire.websocket import binary_header

SIZES = st.lists(st.integers(1, 70_000), max_size=40)


def fill(sizes: list[int], start: int = 0) -> tuple[Frames, list[Frame]]:
    """Return frames that follow one another, and all that were ever added."""
    frames, added = Frames(), []
    for size in sizes:
        added.append(encode_frame(start, bytes(size), TERMINAL))
        frames.add(added[-1])
        start += size
    return frames, added


def kept(added: list[Frame]) -> list[Frame]:
    """Return the newest that fit: what ``Frames`` ought to hold."""
    total, first = 0, len(added)
    while first and len(added) - first < KEPT_FRAMES:
        total += len(added[first - 1].data)
        if total > KEPT_BYTES:
            break
        first -= 1
    return added[first:]


@given(
    st.integers(0, 1 << 60),
    st.binary(max_size=300),
    st.sampled_from([(TERMINAL, wire.OUTPUT), (STDOUT, wire.OUTPUT), (STDERR, wire.STDERR)]),
)
def test_a_frame_is_one_message(start: int, payload: bytes, kinds: tuple[int, int]) -> None:
    """It holds the bytes, the offset after them, and which of the two streams they are."""
    journal_kind, wire_kind = kinds
    frame = encode_frame(start, payload, journal_kind)
    end = start + len(payload)
    message = wire.encode(wire.Output(end, payload, wire_kind))

    assert (frame.start, frame.end) == (start, end)
    assert frame.data == binary_header(len(message)) + message


@given(SIZES, st.integers(0, 1000))
def test_each_frame_is_found_by_its_start_alone(sizes: list[int], start: int) -> None:
    """The newest are all there; the others, and what lies between, are not."""
    frames, added = fill(sizes, start)
    held = kept(added)

    assert [frames.at(frame.start) for frame in held] == held
    assert all(frames.at(frame.start) is None for frame in added[: len(added) - len(held)])
    assert all(frames.at(frame.end - 1) is None for frame in held if frame.end - frame.start > 1)
    assert frames.at(start + sum(sizes)) is None


@given(SIZES, st.integers(0, 1000), st.integers(0, 200_000))
def test_a_boundary_is_the_next_place_to_join(sizes: list[int], start: int, offset: int) -> None:
    """Reading up to there skips no frame that could have been shared."""
    frames, added = fill(sizes, start)
    held = kept(added)
    boundary = frames.boundary_after(offset)
    if not held:
        assert boundary is None
        return
    boundaries = [held[0].start, *(frame.end for frame in held)]

    assert boundary == min((place for place in boundaries if place > offset), default=offset)


def test_many_small_frames_are_bounded_too() -> None:
    """A frame is more than its bytes: their number has a limit of its own."""
    frames, added = fill([1] * (KEPT_FRAMES + 50))

    assert sum(frames.at(frame.start) is not None for frame in added) == KEPT_FRAMES


def test_nothing_is_held_once_cleared() -> None:
    """Nobody watches: the memory is given back, and the next frames start anew."""
    frames, added = fill([10, 10])
    frames.clear()
    assert frames.at(added[0].start) is None
    assert frames.boundary_after(0) is None
    later = encode_frame(500, b"later", TERMINAL)
    frames.add(later)

    assert frames.at(500) == later
    assert frames.boundary_after(100) == 500
