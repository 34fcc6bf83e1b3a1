"""Positions: what was typed is typed once, whichever moment the server dies at."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ptyd.session.position import Place, Positions

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOT = 32
COUNT = 4
CLIENTS = [bytes(16), bytes(15) + b"\x01", b"\x01" + bytes(15), *(bytes([n]) * 16 for n in b"abcd")]
WRITES = st.lists(
    st.tuples(st.sampled_from(CLIENTS), st.integers(0, 1 << 40), st.integers(0, 4096)),
    max_size=30,
)


@contextmanager
def table(count: int = COUNT) -> Iterator[int]:
    """Yield the memfd that the keeper makes, empty."""
    fd = os.memfd_create("positions")
    os.ftruncate(fd, count * SLOT)
    try:
        yield fd
    finally:
        os.close(fd)


@given(WRITES, st.integers(0, 30))
def test_the_last_clients_survive_the_server(
    writes: list[tuple[bytes, int, int]], cut: int
) -> None:
    """Whoever was among the last to type has its place; the oldest make room for them."""
    with table(len(CLIENTS)) as fd:
        model: dict[bytes, Place] = {}
        for part in (writes[:cut], writes[cut:]):
            positions = Positions(fd)
            for client, done, doubt in part:
                positions.write(client, done + doubt, done)
                model[client] = Place(done + doubt, doubt)
        again = Positions(fd)

        assert {c: again.place(c) for c in CLIENTS} == {
            c: model.get(c, Place(0, 0)) for c in CLIENTS
        }


@given(WRITES)
def test_the_least_recent_slot_is_reused(writes: list[tuple[bytes, int, int]]) -> None:
    """The table is of one size: the newest COUNT clients are those in it."""
    with table() as fd:
        positions = Positions(fd)
        model: dict[bytes, Place] = {}
        for client, done, doubt in writes:
            positions.write(client, done + doubt, done)
            model.pop(client, None)
            model[client] = Place(done + doubt, doubt)
            if len(model) > COUNT:
                del model[next(iter(model))]
        again = Positions(fd)

        assert os.fstat(fd).st_size == COUNT * SLOT
        assert {c: again.place(c) for c in CLIENTS} == {
            c: model.get(c, Place(0, 0)) for c in CLIENTS
        }


def test_a_write_is_seen_by_this_server_too() -> None:
    """A client that was forgotten in memory and comes back finds its place, not the one of old."""
    with table() as fd:
        Positions(fd).write(CLIENTS[3], 10, 10)
        positions = Positions(fd)
        positions.write(CLIENTS[3], 25, 25)

        assert positions.place(CLIENTS[3]) == Place(25, 0)


def test_what_was_under_way_is_in_doubt() -> None:
    """The intent is taken for true: typed at most once, and the client is told how much."""
    with table() as fd:
        Positions(fd).write(CLIENTS[3], intent=110, done=100)

        assert Positions(fd).place(CLIENTS[3]) == Place(position=110, doubt=10)


def test_a_stranger_begins_at_zero() -> None:
    """Nothing is known of who never typed."""
    with table() as fd:
        assert Positions(fd).place(b"?" * 16) == Place(0, 0)
