"""Makes the attacks of ``tests/attacker.py`` and ``tests/prowler.py`` in a box, or beside one."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attacker
import prowler
from ptylaunch import abi
from small_root import make_root, put

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

PYTHON: Final = "/usr/bin/python3"  # the host's; a box has the same, or one like it
ATTACKS: Final = tuple(attacker.ATTACKS)
LOST: Final = {"EPERM", "EACCES", "ENOSYS", "ENODATA", "ENOSPC", "ESRCH"}

LEAKY: Final = ("sh", "-c", 'exec 5</ 6</etc 7</proc 8</proc/self "$@"', "sh")
"""Runs a command with folders of the host open."""

_START: Final = """
import json, sys, types
for name, text in json.loads(sys.argv[1]).items():
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
sys.modules["attacker"].main()
"""
_SOURCES: Final = {
    module.__name__: Path(str(module.__file__)).read_text() for module in (attacker, prowler)
}
_IPC_CREAT: Final = 0o1000
_IPC_RMID: Final = 0
_UNUSED: Final = ("test", "idlelib", "lib2to3", "ensurepip", "dist-packages", "__pycache__",
                  "distutils", "config-*", "pydoc_data", "tkinter")  # fmt: skip


def command(words: dict[str, Any], *, init: int, confined: bool) -> list[str]:
    """Return the command line that attacks; its output is what came of each, as JSON."""
    numbers = abi.numbers(abi.own_family()[0])
    request = {**words, "numbers": numbers, "init": init, "confined": confined}
    return [PYTHON, "-c", _START, json.dumps(_SOURCES), json.dumps(request)]


@contextlib.contextmanager
def bait() -> Generator[dict[str, Any]]:
    """Put out what attacks look for on the host; yield what a request says of it."""
    word = str(10**9 + os.getpid())
    libc = ctypes.CDLL(None, use_errno=True)
    key = 0x70747964
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bait"))
        one = stack.enter_context(socket.socket(socket.AF_UNIX))
        os.chmod(folder, 0o755)
        Path(folder, "file").write_text("secret")
        one.bind(f"{folder}/socket")
        os.chmod(f"{folder}/socket", 0o777)
        one.listen(64)
        other = stack.enter_context(socket.socket(socket.AF_UNIX))
        other.bind(f"\0bait-{word}")
        other.listen(64)
        memory = libc.shmget(key, 4096, _IPC_CREAT | 0o666)
        assert memory >= 0, os.strerror(ctypes.get_errno())
        canary = subprocess.Popen(["sleep", word], env={"CANARY": word})
        try:
            yield {
                "word": word,
                "file": f"{folder}/file",
                "socket": f"{folder}/socket",
                "abstract": f"bait-{word}",
                "memory": key,
            }
        finally:
            canary.kill()
            canary.wait()
            libc.shmctl(memory, _IPC_RMID, None)


def make_python_root(folder: Path) -> Path:
    """Make a root in which the attacks can run: with Python, and the programs that they want."""
    make_root(folder, ("sh", "cat", "sleep", "true", "ls", "ln", "rm"))
    put(folder, "/usr/bin/id")
    put(folder, PYTHON)
    asked = "import sysconfig; print(sysconfig.get_path('stdlib'))"
    library = subprocess.check_output([PYTHON, "-c", asked], text=True).strip()
    place = folder / library.lstrip("/")
    shutil.copytree(library, place, ignore=shutil.ignore_patterns(*_UNUSED))
    for name in ("proc", "sys", "dev"):
        (folder / name).mkdir()
    for name in ("hosts", "hostname", "resolv.conf"):  # who may not write there cannot make them
        (folder / "etc" / name).touch()
    for module in _wanting_libraries(place):
        put(folder, f"/{module.relative_to(folder)}")
    return folder


def _wanting_libraries(library: Path) -> Iterable[Path]:
    return library.glob("lib-dynload/_ctypes.*.so")
