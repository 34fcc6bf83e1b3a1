"""Where a log goes: pipes, which are made wide for much of it, and files."""

from __future__ import annotations

import fcntl
import os
import threading
from typing import TYPE_CHECKING

import pytest

from ptycli.transcript.outlet import Outlet

if TYPE_CHECKING:
    from pathlib import Path

MUCH = 1 << 20


@pytest.mark.parametrize(("size", "wide"), [(MUCH, True), (1000, False)])
def test_a_pipe_is_made_wider_for_much(tmp_path: Path, size: int, *, wide: bool) -> None:
    """And for that alone; every byte comes through."""
    written = os.urandom(size)
    path = tmp_path / "log"
    path.write_bytes(written)
    read_fd, write_fd = os.pipe()
    before = fcntl.fcntl(write_fd, fcntl.F_GETPIPE_SZ)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.extend(iter(lambda: os.read(read_fd, MUCH), b"")))
    reader.start()
    with path.open("rb") as file:
        copied = Outlet().copy(write_fd, file.fileno(), 0, size)
    after = fcntl.fcntl(write_fd, fcntl.F_GETPIPE_SZ)
    os.close(write_fd)
    reader.join()
    os.close(read_fd)

    assert (copied, b"".join(read)) == (size, written)
    assert (after > before) is wide


def test_what_is_no_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    """A file, one that is appended to among them."""
    path = tmp_path / "log"
    path.write_bytes(bytes(MUCH))
    for flags in (os.O_TRUNC, os.O_APPEND):
        fd = os.open(tmp_path / f"out{flags}", os.O_WRONLY | os.O_CREAT | flags)
        with path.open("rb") as file:
            assert Outlet().copy(fd, file.fileno(), 0, MUCH) == MUCH
        os.close(fd)

        assert (tmp_path / f"out{flags}").read_bytes() == path.read_bytes()
