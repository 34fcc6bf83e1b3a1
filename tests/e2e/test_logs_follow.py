"""``ptyd logs -f``: every byte and 0, whatever has become of the server meanwhile."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING

import pytest

from slow_start import is_watching, stopped_server
from waiting import wait_for_end, wait_until

if TYPE_CHECKING:
    from ptyd_user import Ptyd


@pytest.mark.parametrize("options", [[], ["-f"]], ids=["logs", "follow"])
def test_before_a_server_has_come(ptyd: Ptyd, options: list[str]) -> None:
    """The program has ended and nobody has taken what it printed: it is waited for."""
    with (
        ptyd.background("ptyd", "run", "-d", "--no-tty", "--name", "it", "echo", "hi") as run,
        stopped_server(),
    ):
        run.communicate(timeout=40)
        ptyd.container("it").wait_for_status()
        with ptyd.background("ptyd", "logs", *options, "it") as logs:
            wait_until(lambda: is_watching(logs.pid) or logs.poll() is not None)
            os.kill(ptyd.container("it").keeper_pid, signal.SIGHUP)  # another one comes
            printed, errors = logs.communicate(timeout=40)

    assert (logs.returncode, printed, errors) == (0, b"hi\n", b"")


def test_when_the_server_has_gone(ptyd: Ptyd) -> None:
    """It stopped lingering before it said hello: the journal's files say it all."""
    container = ptyd.start("--no-tty", "sh", "-c", "echo out; echo err >&2")
    container.wait_for_status()
    with container.attach() as client:
        client.read_to_end()  # it is written down
    server = container.server_pid()
    os.kill(server, signal.SIGSTOP)
    with ptyd.background("ptyd", "logs", "-f", container.name) as logs:
        wait_until(lambda: is_watching(logs.pid) or logs.poll() is not None)
        os.kill(container.keeper_pid, signal.SIGINT)
        printed, errors = logs.communicate(timeout=40)

    assert (logs.returncode, printed, errors) == (0, b"out\n", b"err\n")


def test_in_the_middle_of_it(ptyd: Ptyd) -> None:
    """The keeper is killed, and all with it, while a reader is slow: the rest is in the files."""
    container = ptyd.start("--no-tty", "sh", "-c", "seq 1 600000; cat")
    whole = b"".join(b"%d\n" % number for number in range(1, 600001))
    with ptyd.background("ptyd", "logs", "-f", container.name) as logs:
        assert logs.stdout is not None
        assert select.select([logs.stdout], [], [], 40)[0]
        wait_until(lambda: len(container.journal()) == len(whole))
        server = container.server_pid()
        os.kill(container.keeper_pid, signal.SIGKILL)
        wait_for_end(server)
        printed = logs.communicate(timeout=40)[0]

    assert logs.returncode == 0
    assert printed == whole
