"""Run by ``test_keep_landlock.py``: encloses itself, or not, in the working directory, and tries.

Prints what became of each act, ``done`` or the name of an errno, as JSON.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING

from ptykeep import landlock
from ptylaunch import syscall as sc

if TYPE_CHECKING:
    from collections.abc import Callable


def read(path: str) -> None:
    with open(path, "rb") as file:
        file.read()


def write(path: str) -> None:
    with open(path, "wb") as file:
        file.write(b"written")


def keep() -> None:
    """All that a journal does."""
    write("sessions/new")
    os.makedirs("sessions/1/journal")
    os.rename("sessions/new", "sessions/1/journal/old")
    os.truncate("sessions/1/journal/old", 1)
    os.listdir("sessions")
    os.unlink("sessions/1/journal/old")
    os.removedirs("sessions/1/journal")


def execute() -> None:
    os.waitpid(os.posix_spawn("/proc/self/exe", ["python", "-c", ""], {}), 0)


def connect() -> None:
    with socket.create_connection(("127.0.0.1", int(sys.argv[2]))):
        pass


def listen() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        pass


def connect_abstract() -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(b"\0" + sys.argv[3].encode())


ACTS: dict[str, Callable[[], object]] = {
    "read what is here": partial(read, "here"),
    "change what is here": partial(write, "here"),
    "keep a journal": keep,
    "read elsewhere": partial(read, "../elsewhere"),
    "change what is elsewhere": partial(write, "../elsewhere"),
    "list elsewhere": partial(os.listdir, ".."),
    "write to a device": partial(write, "/dev/null"),
    "execute": execute,
    "connect": connect,
    "listen": listen,
    "connect to an abstract socket": connect_abstract,
    "signal another": partial(os.kill, os.getppid(), signal.SIGCONT),
    "signal itself": partial(os.kill, os.getpid(), signal.SIGCONT),
}


def outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def main() -> None:
    if sys.argv[1] == "enclosed":
        sc.prctl(sc.PR_SET_NO_NEW_PRIVS, 1)
        landlock.enclose(readable=".", writable="sessions")
    print(json.dumps({name: outcome(act) for name, act in ACTS.items()}))


main()
