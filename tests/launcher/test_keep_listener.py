"""Listeners: bound by the keeper, on any address and at any depth of directories."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ptykeep import listener as listener_module
from ptykeep.listener import bind_control, bind_tcp


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "0.0.0.0"])
def test_port_zero_is_any_port(host: str) -> None:
    """And it is said which; a client that connects is in the backlog."""
    listener = bind_tcp("raw", host, 0)
    with listener.socket, socket.create_connection(listener.socket.getsockname()[:2]):
        accepted, _ = listener.socket.accept()
        accepted.close()

        assert listener.port > 0
        assert listener.describe() == {
            "dialect": "raw",
            "host": listener.host,
            "port": listener.port,
        }
        assert not listener.socket.get_inheritable()
        assert not listener.socket.getblocking()


def test_a_port_that_is_taken_is_named() -> None:
    """The error says which address, for the user's one line."""
    first = bind_tcp("ptyd.v1", "127.0.0.1", 0)
    with first.socket, pytest.raises(OSError, match=r"127\.0\.0\.1") as error:
        bind_tcp("ptyd.v1", "127.0.0.1", first.port)

    assert error.value.errno == errno.EADDRINUSE
    assert error.value.filename == f"127.0.0.1:{first.port}"


@pytest.mark.parametrize("depth", [0, 3])
def test_the_control_socket_is_the_owners(tmp_path: Path, depth: int) -> None:
    """0600 from the first moment, also where the path is longer than sun_path's 108 bytes."""
    directory = tmp_path.joinpath(*["d" * 60] * depth)
    mask = os.umask(0)
    try:
        listener = bind_control(str(directory))
        after = os.umask(0)
    finally:
        os.umask(mask)
    with listener.socket:
        status = os.stat(directory / "control.sock")
        fd = os.open(directory, os.O_PATH)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"/proc/self/fd/{fd}/control.sock")
        os.close(fd)

        assert stat.S_ISSOCK(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert after == 0
        assert (listener.dialect, listener.host) == ("control", f"{directory}/control.sock")


PROBE = """
import sys
sys.path.append({launcher!r})
from ptylaunch.lean import stand_in
stand_in()
from ptykeep.listener import bind_tcp
bind_tcp("raw", "localhost", 0).socket.close()
assert not [name for name in ("encodings.idna", "re", "unicodedata") if name in sys.modules]
"""


def test_an_address_loads_no_codec() -> None:
    """A keeper would be 2 MB larger for as long as it lives, and its init with it."""
    launcher = Path(listener_module.__file__).parent.parent
    command = [sys.executable, "-I", "-S", "-c", PROBE.format(launcher=str(launcher))]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
