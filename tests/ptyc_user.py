"""A user of ptyc on a real terminal, for tests: pexpect, and a look at the terminal's modes."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
from typing import TYPE_CHECKING, Any

import pexpect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TIMEOUT = 10
MODULE = [sys.executable, "-m", "ptyc.main"]


class TerminalUser:
    """Runs ``ptyc`` on a new terminal of 24 rows and 80 columns, unless ``size`` says other."""

    def __init__(
        self,
        *arguments: str,
        size: tuple[int, int] = (24, 80),
        env: dict[str, str] | None = None,
        command: Sequence[str] = MODULE,
    ) -> None:
        self.child: Any = pexpect.spawn(
            command[0],
            [*command[1:], *arguments],
            dimensions=size,
            timeout=TIMEOUT,
            env={**os.environ, "TERM": "xterm-256color", **(env or {})},
            echo=True,
        )
        self.child.delaybeforesend = None
        self.child.delayafterread = None
        self.child.ptyproc.delayafterclose = 0
        self.modes = termios.tcgetattr(self.child.child_fd)

    @property
    def pid(self) -> int:
        return int(self.child.pid)

    @property
    def is_raw(self) -> bool:
        iflag, oflag, cflag, lflag, *_ = termios.tcgetattr(self.child.child_fd)
        return (
            not lflag & (termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
            and not oflag & termios.OPOST
            and not iflag & (termios.ICRNL | termios.IXON)
            and cflag & termios.CSIZE == termios.CS8
        )

    @property
    def is_restored(self) -> bool:
        return bool(termios.tcgetattr(self.child.child_fd) == self.modes)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for ``condition``, looking again whenever the terminal shows something."""
        deadline = time.monotonic() + TIMEOUT
        poll = select.poll()
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true"
            poll.poll(5)

    def type(self, data: bytes | str) -> None:
        self.child.send(data)

    def sees(self, text: bytes | str, within: float = TIMEOUT) -> None:
        self.child.expect_exact(text.encode() if isinstance(text, str) else text, timeout=within)

    def read_exactly(self, length: int) -> bytes:
        """Return the next ``length`` bytes that the terminal shows."""
        return bytes(self.child.read(length))

    @property
    def cpu_seconds(self) -> float:
        """User and system time that the child has used so far (proc(5), stat fields 14 and 15)."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def finish(self) -> int:
        """Return the exit status as a shell has it; what is shown last is in ``self.rest``."""
        self.child.expect(pexpect.EOF)
        self.rest: bytes = self.child.before
        self.child.wait()
        if self.child.signalstatus is not None:
            return 128 + int(self.child.signalstatus)
        return int(self.child.exitstatus)

    def close(self) -> None:
        """Kill what is left of the child and close the terminal."""
        if self.child.isalive():
            os.kill(self.pid, signal.SIGKILL)
            self.child.wait()
        self.child.close(force=False)
