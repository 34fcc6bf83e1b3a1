"""A poller: which of many sockets are ready, handled a slice at a time, the crowd after the rest.

The event loop calls everybody who is ready before it looks again: with a thousand viewers that
acknowledge at once that is 15 ms in which nobody's key is read and no output gathered. So sockets
are in two epoll(7) sets of their own, of which the loop knows one descriptor each: those who only
acknowledge are the crowd, and what anybody else sends does not wait for all of them.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import asyncio

SLICE: Final = 0.002
"""Seconds of handling sockets before everything else has its turn."""
AT_ONCE: Final = 32
"""Events taken at a time; the kernel puts what is taken behind what waits."""
READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT


class Polled(Protocol):
    """A socket's owner."""

    def on_event(self, event: int) -> None:
        """Act on READ, WRITE, or a failure that has neither bit."""


class PollSet:
    """Some sockets and what they wait for."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._polled: dict[int, Polled] = {}

    def fileno(self) -> int:
        return self._epoll.fileno()

    def close(self) -> None:
        self._epoll.close()

    def watch(self, fd: int, polled: Polled, events: int) -> None:
        """Tell ``polled`` of these events from now on; of none, nor of failures, if there are 0."""
        if not events:
            # Not only no events: a failure is told whatever one asks for, again and again.
            if self._polled.pop(fd, None) is not None:
                self._epoll.unregister(fd)
        elif fd in self._polled:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
            self._polled[fd] = polled

    def step(self) -> bool:
        """Handle some that are ready; return whether there may be more."""
        events = self._epoll.poll(0, AT_ONCE)
        for fd, event in events:
            polled = self._polled.get(fd)
            if polled is not None:  # else it was closed by the one before
                polled.on_event(event)
        return len(events) == AT_ONCE


class Poller:
    """The sockets of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.prompt, self.crowd = PollSet(), PollSet()
        for each in (self.prompt, self.crowd):
            loop.add_reader(each.fileno(), self._on_ready)

    def close(self) -> None:
        for each in (self.prompt, self.crowd):
            self.loop.remove_reader(each.fileno())
            each.close()

    def _on_ready(self) -> None:
        deadline = time.monotonic() + SLICE
        while True:
            more = self.prompt.step()
            more = self.crowd.step() or more
            if not more or time.monotonic() >= deadline:
                return
