"""Which version each server is: asked of all at once, so that one that hangs delays nobody."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from typing import TYPE_CHECKING, cast

from ptycli.upgrade import releases_of

if TYPE_CHECKING:
    from pathlib import Path

    from ptycli.container import Container


class Place:
    """As much of a container as is asked for."""

    def __init__(self, control: str) -> None:
        self.control = control


def answer_last_first(listeners: list[socket.socket]) -> None:
    """Answer nobody before everybody has asked."""
    with contextlib.ExitStack() as held:
        callers = [held.enter_context(listener.accept()[0]) for listener in listeners]
        for number, caller in reversed(list(enumerate(callers))):
            body = json.dumps({"Version": f"1.{number}"}).encode()
            caller.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + body)
            caller.shutdown(socket.SHUT_WR)
            while caller.recv(4096):
                pass


def test_nobody_waits_for_another(tmp_path: Path) -> None:
    """Three that answer only once all three are asked."""
    with contextlib.ExitStack() as held:
        listeners = []
        for number in range(3):
            listener = held.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(tmp_path / str(number)))
            listener.listen()
            listeners.append(listener)
        places = [Place(str(tmp_path / str(number))) for number in range(3)]
        server = threading.Thread(target=answer_last_first, args=(listeners,))
        server.start()
        said = releases_of(cast("list[Container]", places))
        server.join()

    assert said == ["1.0", "1.1", "1.2"]
