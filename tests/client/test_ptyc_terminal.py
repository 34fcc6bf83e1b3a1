"""The terminal's modes: exactly cfmakeraw(3), and back."""

from __future__ import annotations

import ctypes
import os
import termios
from typing import TYPE_CHECKING

import pytest

from ptyc.terminal import Terminal, is_terminal, window_size
from ptywire.message import Resize

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def tty_fd() -> Iterator[int]:
    pty_fd, tty_fd = os.openpty()
    yield tty_fd
    os.close(pty_fd)
    os.close(tty_fd)


def test_raw_is_what_the_c_library_makes(tty_fd: int) -> None:
    """Flag for flag."""
    odd = termios.tcgetattr(tty_fd)
    odd[0] |= termios.ISTRIP | termios.INLCR | termios.IXON
    odd[2] = odd[2] & ~termios.CSIZE | termios.CS7 | termios.PARENB
    termios.tcsetattr(tty_fd, termios.TCSANOW, odd)
    before = termios.tcgetattr(tty_fd)
    libc = ctypes.CDLL(None)
    attributes = ctypes.create_string_buffer(256)
    libc.tcgetattr(tty_fd, attributes)
    libc.cfmakeraw(attributes)
    libc.tcsetattr(tty_fd, termios.TCSANOW, attributes)
    expected = termios.tcgetattr(tty_fd)
    termios.tcsetattr(tty_fd, termios.TCSANOW, before)

    terminal = Terminal(tty_fd)
    terminal.make_raw()
    assert termios.tcgetattr(tty_fd) == expected
    terminal.make_raw()
    terminal.restore()
    assert termios.tcgetattr(tty_fd) == before
    terminal.restore()


def test_a_terminal_that_hung_up() -> None:
    """Going raw is an error; there is nothing to restore."""
    pty_fd, tty_fd = os.openpty()
    terminal = Terminal(tty_fd)
    terminal.make_raw()
    os.close(pty_fd)

    terminal.restore()
    with pytest.raises(termios.error):
        terminal.make_raw()
    os.close(tty_fd)


def test_window_size(tty_fd: int) -> None:
    """The first terminal that has a size counts; 0x0 is none."""
    read_fd, write_fd = os.pipe()
    assert window_size([read_fd, tty_fd]) is None
    termios.tcsetwinsize(tty_fd, (7, 9))

    assert window_size([read_fd, tty_fd]) == Resize(7, 9)
    assert is_terminal(tty_fd)
    assert not is_terminal(read_fd)
    os.close(read_fd)
    os.close(write_fd)
