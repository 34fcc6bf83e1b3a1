"""``ptyd kill`` and ``ptyd wait``: as docker's, and whatever the server does."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from waiting import wait_for_end, wait_until

if TYPE_CHECKING:
    from ptyd_user import Ptyd
    from wire_client import WireClient


def here(client: WireClient) -> int:
    """Return how many are attached."""
    told = [event["count"] for event in client.events if event["event"] == "clients"]
    return int(told[-1]) if told else 0


def test_the_signal_goes_to_the_program(ptyd: Ptyd) -> None:
    """By name or number; the exit status is what the program makes of it."""
    script = (
        "trap 'echo caught' USR1; trap 'exit 9' INT; echo ready; while :; do sleep 60 & wait; done"
    )
    container = ptyd.start("--no-tty", "sh", "-c", script)
    with container.attach() as client:
        client.read_until("ready\n")
        assert ptyd("kill", "-s", "SIGUSR1", container.name).out.decode() == f"{container.name}\n"
        client.read_until("caught\n")
        assert ptyd("kill", "-s", "2", container.name).code == 0
        client.read_to_end()

    assert ptyd("wait", container.name).out == b"9\n"


def test_without_a_name_it_kills(ptyd: Ptyd) -> None:
    """Also while the server is stopped, and all that the program started goes with it."""
    container = ptyd.start("sh", "-c", "sleep 1000 & wait")
    server = container.server_pid()
    os.kill(server, signal.SIGSTOP)
    killed = ptyd("kill", container.name)
    status = container.wait_for_status()
    os.kill(server, signal.SIGCONT)

    assert (killed.code, status) == (0, 137)
    assert ptyd("kill", container.name).err == f"ptyd kill: {container.name} is not running\n"


def test_waiting_for_one_that_removes_itself(ptyd: Ptyd) -> None:
    """The status is there although the container is not any more."""
    container = ptyd.start("--rm", "sh", "-c", "read line; exit 7")
    with ptyd.background("ptyd", "wait", container.name) as waiting:
        with container.attach() as client:
            client.wait_until(lambda: here(client) == 2)
            client.type("go\n")
            client.read_to_end()
        printed, errors = waiting.communicate(timeout=40)

    assert (waiting.returncode, printed, errors) == (0, b"7\n", b"")
    wait_until(lambda: ptyd.names() == [])


def test_waiting_through_the_death_of_servers(ptyd: Ptyd) -> None:
    """It is the program that is waited for."""
    container = ptyd.start("sh", "-c", "read line; exit 3")
    with ptyd.background("ptyd", "wait", container.name, container.name) as waiting:
        container.replace_server()
        container.replace_server()
        assert ptyd("send", container.name, "--keys", "Enter").code == 0
        printed, errors = waiting.communicate(timeout=40)

    assert (waiting.returncode, printed, errors) == (0, b"3\n3\n", b"")


def test_an_end_that_nobody_saw(ptyd: Ptyd) -> None:
    """The keeper was killed, and the program with it: one line says so."""
    container = ptyd.start("cat")
    os.kill(container.keeper_pid, signal.SIGKILL)
    wait_for_end(container.keeper_pid)
    done = ptyd("wait", container.name)

    assert done.code == 1
    assert done.err.startswith(f"ptyd wait: {container.name} has ended, its exit status is unknown")


@pytest.mark.parametrize("name", ["FLY", "0", "65", "TERM+x", "RTMIN+99"])
def test_what_is_no_signal(ptyd: Ptyd, name: str) -> None:
    """One line, and nobody is signalled."""
    done = ptyd("kill", "-s", name, ptyd.start("cat").name)

    assert (done.code, done.err) == (1, f"ptyd kill: there is no signal {name!r}\n")
