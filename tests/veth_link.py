"""A network of two: a link between two network namespaces that can be slowed and cut (as root)."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

SERVER, CLIENT = "192.0.2.1", "192.0.2.2"
"""Of TEST-NET-1 (RFC 5737): nobody else's, and each namespace is its own."""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


class VethLink:
    """A pair of virtual interfaces (veth(4)), each end alone in a namespace of its own."""

    def __init__(self) -> None:
        self._names = [f"ptyd-{os.getpid()}-{end}" for end in "sc"]
        self._made = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as made:
            for name in self._names:
                _ip("netns", "add", name)
                made.callback(_ip, "netns", "del", name)
                _ip("-n", name, "link", "set", "lo", "up")
            server, client = self._names
            _ip(
                "-n", server, "link", "add", "veth", "type", "veth", "peer", "veth", "netns", client
            )
            for name, address in zip(self._names, (SERVER, CLIENT), strict=True):
                _ip("-n", name, "address", "add", f"{address}/24", "dev", "veth")
                _ip("-n", name, "link", "set", "veth", "up")
            self._made = made.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._made.close()

    @property
    def at_server(self) -> list[str]:
        """What stands before a command that is to run at the server's end."""
        return ["nsenter", f"--net=/run/netns/{self._names[0]}", "--"]

    @property
    def at_client(self) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self._names[1]}", "--"]

    def slow(self, rate: str) -> None:
        """Let no more than ``rate`` through to the client, as tc(8) writes it: ``800kbit``."""
        words = ["qdisc", "add", "dev", "veth", "root", "tbf", "rate", rate]
        words += ["burst", "16kb", "latency", "100ms"]
        command = ["tc", "-n", self._names[0], *words]
        subprocess.run(command, check=True, capture_output=True, timeout=20)

    def cut(self) -> None:
        """Let nothing through any more; nobody is told."""
        _ip("-n", self._names[1], "link", "set", "veth", "down")

    def mend(self) -> None:
        _ip("-n", self._names[1], "link", "set", "veth", "up")
