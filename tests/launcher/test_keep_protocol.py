"""The keeper's protocol: fields and descriptors arrive as they were sent, damage harms nobody."""

from __future__ import annotations

import array
import fcntl
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptykeep.protocol import receive, send

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        yield one, other


def open_fds() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@given(st.lists(st.dictionaries(st.text(max_size=10), VALUES, max_size=5), max_size=5))
@settings(max_examples=40)
def test_packets_keep_their_bounds_and_order(packets: list[dict[str, Any]]) -> None:
    """Each send is one receive."""
    with pair() as (one, other):
        for fields in packets:
            send(one, fields)
        received = [receive(other) for _ in packets]

    assert [packet.fields for packet in received if packet is not None] == packets
    assert all(packet is not None and packet.fds == [] for packet in received)


def test_descriptors_arrive_in_order_and_close_on_exec() -> None:
    """The names of a session's fds are in the fields, in the order of the fds."""
    pipes = [os.pipe() for _ in range(30)]
    sent = [fd for pipe in pipes for fd in pipe]
    with pair() as (one, other):
        send(one, {"type": "session"}, sent)
        packet = receive(other)
    assert packet is not None
    same = [os.path.sameopenfile(*both) for both in zip(sent, packet.fds, strict=True)]
    flags = {fcntl.fcntl(fd, fcntl.F_GETFD) for fd in packet.fds}
    for fd in (*sent, *packet.fds):
        os.close(fd)

    assert all(same)
    assert flags == {fcntl.FD_CLOEXEC}


@pytest.mark.parametrize(
    "data", [b"{", b"[1]", b"3", b"null", b"\xff", b"[" * 60_000, b'{"a":' * 9000]
)
def test_damage_is_a_value_error_and_leaks_nothing(data: bytes) -> None:
    """A server gone mad costs the keeper neither a descriptor nor its life."""
    before = open_fds()
    with pair() as (one, other):
        rights = array.array("i", [one.fileno(), one.fileno()])
        one.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        with pytest.raises(ValueError, match="no JSON object"):
            receive(other)
        send(one, {"type": "stop"})
        packet = receive(other)

    assert packet is not None
    assert packet.fields == {"type": "stop"}
    assert open_fds() == before


def test_more_descriptors_than_are_taken_leak_nothing() -> None:
    """Those that do not fit are closed by the kernel (MSG_CTRUNC, recvmsg(2))."""
    before = open_fds()
    with pair() as (one, other):
        send(one, {}, [one.fileno()] * 200)
        packet = receive(other)
        assert packet is not None
        for fd in packet.fds:
            os.close(fd)

    assert len(packet.fds) <= 200
    assert open_fds() == before


def test_the_end_is_none() -> None:
    """Whether the peer closed properly or left packets unread."""
    with pair() as (one, other):
        send(other, {"unread": True})
        one.close()

        assert receive(other) is None


def test_nothing_yet_is_blocking() -> None:
    """A socket that does not block says so."""
    with pair() as (one, other):
        other.setblocking(False)
        assert one.fileno() >= 0
        with pytest.raises(BlockingIOError):
            receive(other)


def test_a_peer_that_is_gone_is_an_error_not_a_signal() -> None:
    """SIGPIPE would be the end of a keeper."""
    with pair() as (one, other):
        other.close()
        with pytest.raises(BrokenPipeError):
            send(one, {"type": "exited"})


def test_a_peer_that_does_not_read_does_not_stop_the_keeper() -> None:
    """Its queue is full: an error at once, no wait."""
    with pair() as (one, _other):
        one.setblocking(False)
        with pytest.raises(BlockingIOError):
            send_for_ever(one)


def send_for_ever(sock: socket.socket) -> None:
    for _ in range(100_000):
        send(sock, {"type": "exited", "session": 0, "status": 0})
