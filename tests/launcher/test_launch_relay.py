"""A container's terminal on the caller's: run and exec in the foreground without a socket."""

from __future__ import annotations

import os
import pty
import subprocess
import termios
from typing import TYPE_CHECKING

import pytest

from oci_user import Runtime, runtime, users

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=users())
def oci(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    with runtime(request.param) as made:
        made.edit("process", "terminal", to=True)
        yield made


def test_terminal_is_shown_on_ours(oci: Runtime) -> None:
    """With our size; ours is raw as long, and then as it was; the status is the program's."""
    oci.script('stty size; read x; echo "got $x"; exit 5')
    pty_fd, tty_fd = pty.openpty()
    termios.tcsetwinsize(tty_fd, (33, 101))
    before = termios.tcgetattr(tty_fd)
    process = oci.popen("run", "c", stdin=tty_fd, stdout=tty_fd, stderr=tty_fd)
    shown = os.read(pty_fd, 100)
    during = termios.tcgetattr(tty_fd)
    os.write(pty_fd, b"it\r")
    code = process.wait(30)
    after = termios.tcgetattr(tty_fd)
    os.set_blocking(pty_fd, False)
    shown += os.read(pty_fd, 1000)
    os.close(pty_fd)
    os.close(tty_fd)

    assert shown == b"33 101\r\nit\r\ngot it\r\n"
    assert code == 5
    assert before == after
    assert not during[3] & (termios.ICANON | termios.ECHO)


def test_input_that_is_no_terminal_is_typed(oci: Runtime) -> None:
    """Its end too, and all output comes out, however much the program writes at its end."""
    oci.script("cat >/dev/null; seq 20000")
    process = oci.popen("run", "c", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    output, _ = process.communicate("line\n", timeout=60)

    lines = output.splitlines()
    assert process.returncode == 0
    assert lines[-1] == "20000"
    assert [line for line in lines if line.isdecimal()] == [str(n) for n in range(1, 20001)]


def test_program_that_reads_nothing_still_shows_its_output(oci: Runtime) -> None:
    """Typed input waits for it, and nothing waits for the input."""
    oci.script("seq 5000; exit 3")
    process = oci.popen("run", "c", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    output, _ = process.communicate("x" * 300_000, timeout=60)

    assert process.returncode == 3
    shown = output.replace("x", "").replace("\a", "")  # which the terminal echoed
    assert shown.endswith("\n4999\n5000\n")


def test_exec_has_a_terminal_of_its_own(oci: Runtime) -> None:
    """Beside the container's."""
    oci.edit("process", "terminal", to=False)
    oci.script("exec sleep 1000")
    oci.do("run", "--detach", "c")
    done = oci.run("exec", "--tty", "c", "sh", "-c", "tty; exit 4", stdin=subprocess.DEVNULL)
    oci.do("delete", "--force", "c")

    assert (done.returncode, done.stdout) == (4, "/dev/pts/0\n")
