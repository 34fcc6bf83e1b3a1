"""A session's descriptors: what the server gets by name, what the program gets, what stays."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ptykeep.session import INPUT_SIZE, Session, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def opened(*, terminal: bool, stdin: bool = True, **process: Any) -> Iterator[Session]:
    """Open a session as the keeper does; close whatever it opened."""
    before = set(os.listdir("/proc/self/fd"))
    session = open_session({"terminal": terminal, **process}, stdin=stdin)
    try:
        yield session
    finally:
        for name in set(os.listdir("/proc/self/fd")) - before:
            if os.path.exists(f"/proc/self/fd/{name}"):
                os.close(int(name))


def test_a_terminal_gets_its_pipe_and_positions() -> None:
    """In the order of the protocol once the box has made the terminal."""
    with opened(terminal=True, consoleSize={"height": 50, "width": 132}) as session:
        pty_fd, tty_fd = os.openpty()
        session.adopt(pty_fd, tty_fd)
        fields, fds = session.describe()

        assert fields["fds"] == ["pty", "pipe_read", "pipe_write", "input"]
        assert (fields["tty"], fields["rows"], fields["cols"]) == (True, 50, 132)
        assert fds[0] == pty_fd
        assert os.fstat(fds[3]).st_size == INPUT_SIZE
        assert session.stdio is None
        assert fcntl.fcntl(fds[2], fcntl.F_GETPIPE_SZ) >= 64 << 10


@pytest.mark.parametrize("stdin", [True, False])
def test_pipes_have_their_names(*, stdin: bool) -> None:
    """Standard input only where there is one; what the server reads does not block."""
    with opened(terminal=False, stdin=stdin) as session:
        fields, fds = session.describe()
        named = dict(zip(fields["fds"], fds, strict=True))

        assert set(named) == {"stdout", "stderr", "input"} | ({"stdin"} if stdin else set())
        assert not any(os.get_blocking(named[name]) for name in named if name.startswith("std"))
        assert session.stdio is not None
        assert all(os.get_blocking(fd) for fd in session.stdio)


def test_nothing_is_inherited_by_accident() -> None:
    """Every descriptor is close-on-exec: what a program gets it is given."""
    for terminal in (True, False):
        with opened(terminal=terminal) as session:
            held = [*session.describe()[1], *(session.stdio or ())]

            assert not any(os.get_inheritable(fd) for fd in held)


def test_no_stdin_is_an_end_of_file() -> None:
    """``--no-stdin``: the program reads the end, it does not wait."""
    with opened(terminal=False, stdin=False) as session:
        assert session.stdio is not None
        assert os.read(session.stdio[0], 1) == b""


def test_the_keepers_copies_go_when_they_should() -> None:
    """The read end once the program has it; the write end when a client ended the input."""
    with opened(terminal=False) as session:
        assert session.stdio is not None
        program = os.dup(session.stdio[0])
        session.close_program_ends()
        session.close_program_ends()
        names = session.describe()[0]["fds"]
        session.close_stdin()
        session.close_stdin()

        assert "stdin" in names
        assert "stdin" not in session.describe()[0]["fds"]
        assert os.read(program, 1) == b""


def test_output_outlives_its_reader() -> None:
    """The keeper holds the read ends: without a server the program waits, it gets no SIGPIPE."""
    with opened(terminal=False) as session:
        assert session.stdio is not None
        assert os.write(session.stdio[1], b"nobody reads yet") == 16
