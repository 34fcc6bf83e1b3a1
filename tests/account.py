"""An account of an ordinary user with subordinate ids, made by root while tests need it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUBORDINATE = (Path("/etc/subuid"), Path("/etc/subgid"))


@contextlib.contextmanager
def new_account(purpose: str) -> Iterator[pwd.struct_passwd]:
    """Make it, with a home in a folder that everybody may enter; remove it with all that it has."""
    name = f"ptyd-{purpose}-{os.getpid()}"
    folder = tempfile.mkdtemp(prefix="ptyd-user-")
    os.chmod(folder, 0o755)
    # useradd(8) gives subordinate ids where these files are, and to no system account.
    with _one_at_a_time():
        missing = [path for path in _SUBORDINATE if not path.exists()]
        for path in missing:
            path.touch()
        useradd = ["useradd", "--create-home", "--base-dir", folder, name]
        subprocess.run(useradd, check=True, capture_output=True)
    try:
        for path in _SUBORDINATE:
            assert f"{name}:" in path.read_text(), f"useradd made no line in {path}"
        yield pwd.getpwnam(name)
    finally:
        with _one_at_a_time():
            subprocess.run(["userdel", name], check=True, capture_output=True)
            for path in missing:
                if not path.read_bytes():
                    path.unlink()
        shutil.rmtree(folder)


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Keep other runs of the tests from these files; without a file that would be left."""
    folder_fd = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder_fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder_fd)


def system_python() -> str:
    """Return a Python that every account may run: root's own often is not one."""
    python = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin")
    assert python is not None, "there is no python3 of the system"
    return python
