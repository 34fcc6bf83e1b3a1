"""Output on its way to the user: order, offsets, and descriptors that are never waited for."""

from __future__ import annotations

import os
import select
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptyc.display import LIMIT, Display
from ptyc.modes import Modes
from ptyc.sink import Sink
from ptywire.message import STDERR, Output, Snapshot

if TYPE_CHECKING:
    from pathlib import Path


class Trickle(Sink):
    """A way out that takes a few bytes at a time."""

    def __init__(self, fd: int, amounts: list[int]) -> None:
        self.fd = fd
        self.is_terminal = False
        self.shown = b""
        self._amounts = amounts

    def write(self, buffers: list[memoryview]) -> int:
        data = b"".join(buffers)[: self._amounts.pop() if self._amounts else 3]
        self.shown += data
        return len(data)


@given(
    st.lists(st.tuples(st.binary(max_size=9), st.booleans()), max_size=40),
    st.lists(st.integers(0, 20)),
)
def test_every_byte_once_and_acknowledged_after(
    items: list[tuple[bytes, bool]], amounts: list[int]
) -> None:
    """Whatever each write takes, and even where a message has no bytes left."""
    out, err = Trickle(1, amounts), Trickle(2, amounts)
    display, end, ends = Display(out, err, None), 0, [0]
    for data, is_err in items:
        end += len(data) + 1
        ends.append(end)
        display.output(Output(end, data, STDERR if is_err else 1))
    shown = 0
    while not display.is_empty:
        display.write()
        assert display.rendered in ends
        assert display.rendered >= shown
        shown = display.rendered

    assert display.rendered == end
    assert display.waiting == 0
    assert out.shown == b"".join(data for data, is_err in items if not is_err)
    assert err.shown == b"".join(data for data, is_err in items if is_err)


def test_a_snapshot_replaces_what_waits() -> None:
    """On a terminal, old output makes room for the picture; our own notices stay."""
    out, err = Trickle(1, []), Trickle(2, [])
    display = Display(out, err, Modes())
    display.output(Output(10, b"old"))
    display.notice("note")
    display.snapshot(Snapshot(99, 24, 80, b"new"))
    while not display.is_empty:
        display.write()

    assert b"old" not in out.shown
    assert out.shown.endswith(b"\x1b[2Jnew")
    assert err.shown == b"note\n"
    assert display.rendered == 99


def test_a_full_display() -> None:
    """More than a server may have in flight is not taken."""
    display = Display(Trickle(1, []), Trickle(2, []), None)
    display.output(Output(1, bytes(LIMIT - 1)))
    assert not display.is_full
    display.output(Output(2, b"x"))

    assert display.is_full


def fill(sink: Sink) -> int:
    """Write until it would block; return how much went in."""
    written, poll = 0, select.poll()
    poll.register(sink.fd, select.POLLOUT)
    while poll.poll(0):
        count = sink.write([memoryview(bytes(100_000))])
        written += count
        if not count:
            break
    return written


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
def test_a_sink_that_is_full_does_not_block(kind: str) -> None:
    """Everything goes in until nobody reads, and the user's descriptor stays blocking."""
    if kind == "pipe":
        read_fd, write_fd = os.pipe()
    elif kind == "terminal":
        read_fd, write_fd = os.openpty()
    else:
        read_fd, write_fd = (end.detach() for end in socket.socketpair())
    sink = Sink(write_fd)

    assert fill(sink) >= 4096
    while sink.write([memoryview(b"x")]):
        pass  # poll(2) calls a socket full a little early
    assert os.get_blocking(write_fd)
    sink.close()
    os.close(read_fd)
    os.close(write_fd)


def test_a_pipe_that_cannot_be_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fall-back writes no more than a pipe that polls writable takes."""

    def refuse(*_: object) -> int:
        raise PermissionError

    read_fd, write_fd = os.pipe()
    with monkeypatch.context() as patch:
        patch.setattr("os.open", refuse)
        sink = Sink(write_fd)

    assert fill(sink) >= 61440
    assert os.get_blocking(write_fd)
    sink.close()
    os.close(read_fd)
    os.close(write_fd)


def test_a_file(tmp_path: Path) -> None:
    """A regular file is written where it stands."""
    with (tmp_path / "out").open("wb") as file:
        file.write(b"before ")
        file.flush()
        sink = Sink(file.fileno())
        sink.write_all(b"x" * 600_000, 1.0)
        sink.close()

    assert (tmp_path / "out").read_bytes() == b"before " + b"x" * 600_000


def test_patience_ends() -> None:
    """The last words to a stopped terminal are given up."""
    read_fd, write_fd = os.pipe()
    sink = Sink(write_fd)
    fill(sink)
    sink.write_all(b"x", 0.01)

    assert len(os.read(read_fd, 10)) == 10
    sink.close()
    os.close(read_fd)
    os.close(write_fd)


def test_a_closed_descriptor() -> None:
    """What is not open is an error at the start."""
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    os.close(write_fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        Sink(write_fd)
