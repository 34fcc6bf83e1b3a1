"""Signals as a descriptor."""

from __future__ import annotations

import os
import select
import signal

from ptyc.signals import Signals


def test_signals_are_read_and_given_back() -> None:
    """They come as numbers, once each, and the handlers from before return."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGWINCH)}
    fds = len(os.listdir("/proc/self/fd"))
    signals = Signals()
    assert signals.take() == []
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGWINCH)
    os.kill(os.getpid(), signal.SIGTERM)
    poll = select.poll()
    poll.register(signals, select.POLLIN)

    assert poll.poll(1000)
    assert sorted(signals.take()) == [signal.SIGTERM, signal.SIGWINCH]
    signals.close()
    assert {number: signal.getsignal(number) for number in before} == before
    assert len(os.listdir("/proc/self/fd")) == fds
