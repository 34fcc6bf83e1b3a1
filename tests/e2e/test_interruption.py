"""``ptyd run``, interrupted on its way: it leaves nothing; once it runs the program is told."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slow_start import is_attaching, stopped_server
from waiting import wait_until

if TYPE_CHECKING:
    import subprocess

    from ptyd_user import Ptyd

_STARTED = """\
import os, sys
from ptycli import run
tell = run.tell
def tell_and_be_interrupted(*arguments):
    tell(*arguments)
    os.kill(os.getpid(), {number})
run.tell = tell_and_be_interrupted
sys.exit(run.main(sys.argv[1:]))
"""
"""``ptyd run`` with a signal between the start of the program and that of ptyc."""

_LOADING = """\
import builtins, os, sys
from ptycli import main
real = builtins.__import__
def interrupted(name, *rest):
    if name == "typing":
        os.kill(os.getpid(), 2)
    return real(name, *rest)
builtins.__import__ = interrupted
main.main()
"""


def test_interrupted_while_it_loads(ptyd: Ptyd) -> None:
    """Before anything was asked for: the exit code says it, and nothing else."""
    assert ptyd.call(sys.executable, "-c", _LOADING, "ps") == (130, b"", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("option", ["-i", "-d"])
@pytest.mark.parametrize("sign", ["", "names/*", "containers/*/keeper.log", "containers/*/lock"])
def test_nothing_is_left_of_a_start(
    ptyd: Ptyd, sign: str, option: str, number: signal.Signals
) -> None:
    """Before the keeper and while it starts; 128 and the signal's number."""
    root = Path(ptyd.root)
    ptyd("run", "--rm", "true")
    with ptyd.background("ptyd", "run", option, "sleep", "1000") as process:
        if sign:
            wait_until(lambda: list(root.glob(sign)))
        else:
            command = Path(f"/proc/{process.pid}/maps")  # libz comes with the imports
            wait_until(lambda: "_ctypes" in command.read_text())
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=40)

    assert (process.returncode, out, err) in [(128 + number, b"", b""), (-number, b"", b"")]
    assert ptyd.left() == []


def interrupt(process: subprocess.Popen[bytes]) -> bool:
    """Press ctrl-c; return whether that was once too often."""
    os.kill(process.pid, signal.SIGINT)
    return process.poll() is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_before_its_first_hello_the_program_is_told(ptyd: Ptyd, number: signal.Signals) -> None:
    """What interrupts ptyc while it waits for the server reaches the program, as later."""
    with ptyd.background("ptyd", "run", "--no-tty", "--name", "it", "sleep", "1000") as process:
        with stopped_server():
            wait_until(lambda: is_attaching(process.pid))
            os.kill(process.pid, number)
        process.communicate(timeout=40)
        state = ptyd.container("it").state()

    assert (process.returncode, state["status"]) == (128 + number, "exited")
    assert state["exit_status"] == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_ptyc_catches_signals_the_program_is_told(
    ptyd: Ptyd, number: signal.Signals
) -> None:
    """Started, and nobody attached yet: no signal falls between the two who catch them."""
    script = _STARTED.format(number=int(number))
    done = ptyd.call(sys.executable, "-c", script, "--no-tty", "--name", "it", "sleep", "1000")
    state = ptyd.container("it").state()

    assert (done.code, state["status"]) == (128 + number, "exited")
    assert state["exit_status"] == 128 + number


def test_a_program_that_cannot_be_told_is_stopped(ptyd: Ptyd) -> None:
    """Three interrupts are enough of waiting for a server: ptyc goes, and the program with it."""
    with (
        ptyd.background("ptyd", "run", "--no-tty", "--name", "it", "sleep", "1000") as process,
        stopped_server(),
    ):
        wait_until(lambda: is_attaching(process.pid))
        wait_until(lambda: interrupt(process))
        container = ptyd.container("it")
        container.wait_for_status()

    # The last one may have met a process that was just ending.
    assert process.returncode in (128 + signal.SIGINT, -signal.SIGINT)
    assert container.state()["exit_status"] == 128 + signal.SIGTERM
