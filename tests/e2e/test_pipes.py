"""Three-pipe mode: like ``ssh host cmd``, with stderr apart and every byte as it was."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess

    from ptyd_user import Ptyd

EVERY_BYTE = bytes(range(256)) * 64
ON_SIGNAL = "trap 'echo got {0}; exit 3' {0}; echo ready; sleep infinity & wait"


def read_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def test_stdout_and_stderr_stay_apart(ptyd: Ptyd) -> None:
    """Also in logs, read from the journal afterwards."""
    done = ptyd("run", "--name", "two", "sh", "-c", "echo out; echo err >&2; echo out2")
    logs = ptyd("logs", "two")

    assert done == (0, b"out\nout2\n", "err\n")
    assert logs == (0, b"out\nout2\n", "err\n")


def test_every_byte_passes_both_ways(ptyd: Ptyd) -> None:
    """0 to 255, in and out, nothing translated."""
    assert ptyd("run", "--rm", "cat", stdin=EVERY_BYTE) == (0, EVERY_BYTE, "")


def test_megabytes_pass_both_ways(ptyd: Ptyd) -> None:
    """More than every buffer on the way holds."""
    data = os.urandom(5 << 20)

    assert ptyd("run", "--rm", "cat", stdin=data) == (0, data, "")


def test_the_end_of_stdin_is_passed_on(ptyd: Ptyd) -> None:
    """A program that reads to the end gets there, and only what was sent."""
    assert ptyd("run", "--rm", "wc", "-c", stdin=b"x" * 100_000).out == b"100000\n"
    assert ptyd("run", "--rm", "wc", "-c", stdin=b"").out == b"0\n"


def test_a_program_that_does_not_read_is_no_harm(ptyd: Ptyd) -> None:
    """Input that nobody wants is dropped at the program's end."""
    assert ptyd("run", "--rm", "sh", "-c", "exit 4", stdin=b"x" * 1_000_000).code == 4


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
def test_signals_are_proxied(ptyd: Ptyd, name: str) -> None:
    """A signal for ptyd run is one for the program, whose status comes back."""
    with ptyd.background("ptyd", "run", "--rm", "bash", "-c", ON_SIGNAL.format(name)) as process:
        ready = read_line(process)
        process.send_signal(getattr(signal, f"SIG{name}"))

        assert (ready, read_line(process)) == (b"ready\n", f"got {name}\n".encode())
        assert process.wait(20) == 3


def test_a_killed_foreground_leaves_the_container(ptyd: Ptyd) -> None:
    """SIGKILL to ptyd run: the program goes on, and somebody else may attach."""
    with ptyd.background("ptyd", "run", "--name", "orphan", "sh", "-c", "echo hi; cat") as process:
        hello = read_line(process)
        process.kill()
        process.wait()
    container = ptyd.container("orphan")

    assert hello == b"hi\n"
    with container.attach() as client:
        client.type("on\n")
        client.read_until("hi\non\n")


@pytest.mark.parametrize("mode", ["--tty", "--no-tty"])
def test_a_slow_reader_of_a_foreground_run_holds_the_program(ptyd: Ptyd, mode: str) -> None:
    """As a pipe would: no byte is dropped, from the first on, however small the log."""
    script = "[ -t 1 ] && stty raw; exec seq 1 1000000"
    words = ["run", "--rm", mode, "--name", "held", "--log-max", "256k", "sh", "-c", script]
    with ptyd.background("ptyd", *words) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        container = ptyd.container("held")
        rest = process.stdout.read()

    # Left alone it prints these 6.9 MB in less time than it takes to look.
    assert container.described["State"]["Running"]
    assert first + rest == b"".join(b"%d\n" % number for number in range(1, 1_000_001))


def test_a_reader_that_leaves_ends_the_command_not_the_program(ptyd: Ptyd) -> None:
    """As in ``ptyd run … | head``: 141 for a shell, and the container stays."""
    words = ["run", "--name", "endless", "yes"]
    with ptyd.background("ptyd", *words) as process:
        line = read_line(process)
        assert process.stdout is not None
        process.stdout.close()
        code = process.wait(20)

    assert (line, code) == (b"y\n", 128 + signal.SIGPIPE)
    assert ptyd.inspect("endless")["State"]["Running"]
