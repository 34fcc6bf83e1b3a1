"""Input's law: each client's bytes reach the program once and in order, whatever it resends."""

from __future__ import annotations

import fcntl
import os
import pty
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptyd.session.input import QUEUE_HIGH, QUEUE_LOW, REMEMBERED, Input, Typist
from ptyd.session.position import Positions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLOTS = 64
CLIENTS = [bytes([n]) * 16 for n in range(1, 5)]


class Loop:
    """As much of an event loop as input uses; the test says when the program takes more."""

    def __init__(self) -> None:
        self.writers: dict[int, Callable[[], None]] = {}

    def add_writer(self, fd: int, callback: Callable[[], None]) -> None:
        self.writers[fd] = callback

    def remove_writer(self, fd: int) -> bool:
        return self.writers.pop(fd, None) is not None

    def turn(self) -> None:
        for callback in list(self.writers.values()):
            callback()


class Sender:
    """What a connection is told."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.blocked: list[bool] = []

    def input_taken(self, position: int) -> None:
        self.taken.append(position)

    def input_blocked(self, *, blocked: bool) -> None:
        self.blocked.append(blocked)


class Program:
    """Input into a pipe that holds 4 KiB, and the program's end of it."""

    def __init__(self, fd: int, read_fd: int, *, tty: bool) -> None:
        self.loop = Loop()
        self.read_fd = read_fd
        self.positions_fd = os.memfd_create("positions")
        os.ftruncate(self.positions_fd, SLOTS * 32)
        self.input = Input(cast("Any", self.loop), fd, Positions(self.positions_fd), tty=tty)
        self.got = bytearray()

    def take(self, size: int) -> None:
        """The program reads, then the loop comes round."""
        try:
            self.got += os.read(self.read_fd, size)
        except BlockingIOError:
            pass
        self.loop.turn()

    def take_all(self) -> bytes:
        while self.loop.writers:
            self.take(1 << 16)
        self.take(1 << 16)
        return bytes(self.got)

    def join(self, client: bytes) -> tuple[Typist, Sender]:
        typist, sender = self.input.typist(client), Sender()
        typist.sender = sender
        return typist, sender


@contextmanager
def program() -> Iterator[Program]:
    reading, writing = os.pipe2(os.O_NONBLOCK)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    it = Program(writing, reading, tty=False)
    try:
        yield it
    finally:
        it.input.close()
        os.close(it.read_fd)
        os.close(it.positions_fd)


@contextmanager
def terminal_program(*, raw: bool) -> Iterator[Program]:
    pty_fd, tty_fd = pty.openpty()
    if raw:
        tty.setraw(tty_fd)
    os.set_blocking(pty_fd, False)
    os.set_blocking(tty_fd, False)
    it = Program(pty_fd, tty_fd, tty=True)
    try:
        yield it
    finally:
        it.input.close()
        for fd in (pty_fd, tty_fd, it.positions_fd):
            os.close(fd)


def letters(client: int, start: int, size: int) -> bytes:
    """Return bytes that tell whose they are, and nearly where they belong."""
    return bytes(client << 6 | position % 61 for position in range(start, start + size))


ACTIONS = st.one_of(
    st.tuples(st.just("type"), st.integers(0, 3), st.integers(0, 9000), st.integers(0, 3000)),
    st.tuples(st.just("take"), st.integers(1, 9000)),
    st.tuples(st.just("reconnect"), st.integers(0, 3)),
    st.tuples(st.just("hole"), st.integers(0, 3), st.integers(1, 99)),
)


@given(st.lists(ACTIONS, max_size=40))
def test_each_byte_is_typed_once_and_in_order(actions: list[Any]) -> None:
    """Several clients, resends that overlap, a program that reads in bits, reconnects, holes."""
    with program() as it:
        typed = [0] * 4
        joined = [it.join(client) for client in CLIENTS]
        senders = [[sender] for _, sender in joined]
        for action in actions:
            match action:
                case ("type", who, size, again):
                    start = max(0, typed[who] - again)
                    data = letters(who, start, typed[who] - start + size)
                    typed[who] += size

                    assert it.input.feed(joined[who][0], start, data)
                case ("take", size):
                    it.take(size)
                case ("reconnect", who):
                    joined[who] = it.join(CLIENTS[who])
                    senders[who].append(joined[who][1])

                    assert joined[who][0].position == typed[who]
                case ("hole", who, size):
                    assert not it.input.feed(joined[who][0], typed[who] + size, b"late")
        got = it.take_all()
        again = Positions(it.positions_fd)

        for who, (typist, _) in enumerate(joined):
            mine = bytes(byte for byte in got if byte >> 6 == who)
            told = [position for sender in senders[who] for position in sender.taken]

            assert mine == letters(who, 0, typed[who])
            assert told == sorted(set(told))
            assert typist.done == typist.position == typed[who]
            assert again.place(CLIENTS[who]) == (typed[who], 0)


def test_a_client_cannot_starve_another() -> None:
    """Queues take turns: what is typed after a megabyte by somebody else does not wait for it."""
    with program() as it:
        (flood, _), (key, _) = it.join(CLIENTS[0]), it.join(CLIENTS[1])
        it.input.feed(flood, 0, letters(0, 0, 1 << 20))
        it.input.feed(key, 0, letters(1, 0, 1))
        while len(it.got) < 64 << 10:
            it.take(1 << 16)

        assert letters(1, 0, 1) in it.got


def test_who_types_too_far_ahead_is_stopped_and_started_again() -> None:
    """Blocked once beyond QUEUE_HIGH, free once below QUEUE_LOW; in between nothing is said."""
    with program() as it:
        typist, sender = it.join(CLIENTS[0])
        position = 0
        while not sender.blocked:
            assert typist.queued <= QUEUE_HIGH
            assert it.input.feed(typist, position, bytes(10_000))
            position += 10_000
        assert QUEUE_HIGH < typist.queued <= QUEUE_HIGH + 10_000
        while typist.queued >= QUEUE_LOW:
            assert sender.blocked == [True]
            it.take(4096)
        it.take_all()

        assert sender.blocked == [True, False]
        assert len(it.got) == position


def test_a_new_connection_of_a_blocked_client_is_stopped_too() -> None:
    """Or reconnecting would be a way to make the queue grow without end."""
    with program() as it:
        typist, old = it.join(CLIENTS[0])
        it.input.feed(typist, 0, bytes(QUEUE_HIGH + 10_000))
        typist, new = it.join(CLIENTS[0])
        it.input.feed(typist, typist.position, b"more")

        assert (old.blocked, new.blocked) == ([True], [True])
        assert len(it.take_all()) == QUEUE_HIGH + 10_004
        assert new.blocked == [True, False]


def test_a_client_that_left_finishes_its_queue() -> None:
    """What was accepted is typed, also when nobody is there to be told."""
    with program() as it:
        typist, sender = it.join(CLIENTS[0])
        it.input.feed(typist, 0, letters(0, 0, 20_000))
        typist.sender = None
        told = len(sender.taken)

        assert it.take_all() == letters(0, 0, 20_000)
        assert len(sender.taken) == told


def test_a_program_that_is_gone_takes_everything() -> None:
    """Its input is acknowledged, as on a closed terminal: no client waits for it for ever."""
    with program() as it:
        typist, sender = it.join(CLIENTS[0])
        closed: list[str] = []
        it.input.on_closed = lambda: closed.append("closed")
        it.input.feed(typist, 0, bytes(QUEUE_HIGH + 10_000))
        os.close(it.read_fd)
        it.read_fd = os.open(os.devnull, os.O_RDONLY)
        it.loop.turn()
        assert it.input.feed(typist, QUEUE_HIGH + 10_000, b"to nobody")

        assert sender.taken[-1] == QUEUE_HIGH + 10_000 + len(b"to nobody")
        assert sender.blocked == [True, False]
        assert (closed, it.input.is_open, it.loop.writers) == (["closed"], False, {})


def test_the_end_of_a_pipe_comes_after_what_was_typed() -> None:
    """End-of-file is passed on once the queue is empty, not before."""
    with program() as it:
        typist, _ = it.join(CLIENTS[0])
        it.input.feed(typist, 0, letters(0, 0, 20_000))
        it.input.end(typist)
        assert it.input.is_open
        got = it.take_all()

        assert got == letters(0, 0, 20_000)
        assert not it.input.is_open
        assert os.read(it.read_fd, 1) == b""


@pytest.mark.parametrize("typed", [b"", b"line\n", b"in the middle of"])
def test_the_end_of_a_terminal_is_its_character(typed: bytes) -> None:
    """VEOF once at the start of a line, twice within one: the program reads end-of-file."""
    with terminal_program(raw=False) as it:
        attributes = termios.tcgetattr(it.read_fd)
        attributes[3] &= ~termios.ECHO
        attributes[6][termios.VEOF] = b"\x05"
        termios.tcsetattr(it.read_fd, termios.TCSANOW, attributes)
        typist, _ = it.join(CLIENTS[0])
        if typed:
            it.input.feed(typist, 0, typed)
        it.input.end(typist)
        os.set_blocking(it.read_fd, True)
        read = [os.read(it.read_fd, 100)] if typed else []
        read.append(os.read(it.read_fd, 100))

        assert read == ([typed] if typed else []) + [b""]
        assert it.input.is_open


def test_a_terminal_nobody_reads_blocks_only_itself() -> None:
    """The kernel's few kilobytes fill, the rest waits here; reading gets all of it."""
    with terminal_program(raw=True) as it:
        typist, sender = it.join(CLIENTS[0])
        it.input.feed(typist, 0, letters(0, 0, 100_000))
        assert 0 < typist.done < 100_000
        os.set_blocking(it.read_fd, True)
        while len(it.got) < 100_000:
            it.take(1 << 16)

        assert it.got == letters(0, 0, 100_000)
        assert sender.taken[-1] == 100_000


def test_doubt_ends_with_the_next_key() -> None:
    """It is told in hello once; what is typed after that is certain again."""
    with program() as it:
        Positions(it.positions_fd).write(CLIENTS[0], 12, 10)
        it.input = Input(cast("Any", it.loop), it.input._fd, Positions(it.positions_fd), tty=False)
        typist, _ = it.join(CLIENTS[0])
        before = (typist.position, typist.doubt)
        it.input.feed(typist, 12, b"x")

        assert before == (12, 2)
        assert (typist.position, typist.doubt) == (13, 0)


def test_clients_that_left_are_forgotten_in_the_end() -> None:
    """A page that is reloaded for years costs a bounded amount; who is there is remembered."""
    with program() as it:
        present, _ = it.join(CLIENTS[0])
        for number in range(REMEMBERED + 100):
            it.input.typist(number.to_bytes(16, "little"))

        assert len(it.input._typists) <= REMEMBERED
        assert it.input.typist(CLIENTS[0]) is present


def test_who_was_forgotten_goes_on_where_it_was() -> None:
    """Its place is in the keeper's table, and the table is asked as it is now."""
    with program() as it:
        typist, _ = it.join(CLIENTS[0])
        it.input.feed(typist, 0, b"twelve bytes")
        typist.sender = None
        for number in range(REMEMBERED + 100):
            it.input.typist((number + 1000).to_bytes(16, "little"))

        assert it.input.typist(CLIENTS[0]) is not typist
        assert it.input.typist(CLIENTS[0]).position == 12
