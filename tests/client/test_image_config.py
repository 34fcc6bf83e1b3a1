"""What an image wants to run: docker's rules of what replaces what."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from ptycli.image.config import Wishes, read_wishes
from ptykeep.helper import Port
from ptylaunch.errors import LaunchFailed


def test_everything_is_read() -> None:
    """A relative working directory begins at the root, a range of ports is all of them."""
    wishes = read_wishes(
        {
            "config": {
                "User": "ann:club",
                "ExposedPorts": {"80/tcp": {}, "53/udp": {}, "90-91": {}, "1/sctp": {}},
                "Env": ["A=1", "B=x=y"],
                "Entrypoint": ["/init"],
                "Cmd": ["serve"],
                "WorkingDir": "srv",
                "StopSignal": "SIGRTMIN+3",
                "Volumes": {"/data": {}},
            }
        }
    )

    ports = [("tcp", 80), ("udp", 53), ("tcp", 90), ("tcp", 91)]
    assert wishes == Wishes(
        ("/init",),
        ("serve",),
        ("A=1", "B=x=y"),
        "ann:club",
        "/srv",
        tuple(Port(protocol, "127.0.0.1", 0, number) for protocol, number in ports),
        signal.SIGRTMIN + 3,
    )


@pytest.mark.parametrize("text", ["INT", "SIGINT", "2", "sigint"])
def test_a_signal_has_many_names(text: str) -> None:
    """With and without SIG, or a number."""
    assert read_wishes({"config": {"StopSignal": text}}).stop_signal == signal.SIGINT


def test_what_is_missing_has_a_default() -> None:
    """Images of one file have next to nothing; null is nothing."""
    assert read_wishes({}) == read_wishes({"config": None}) == Wishes()
    assert read_wishes({"config": {"Cmd": None, "Env": None, "User": ""}}) == Wishes()


def test_a_command_replaces_cmd_and_an_entrypoint_both() -> None:
    """As with docker."""
    image = Wishes(entrypoint=("/init", "-x"), cmd=("serve",))

    assert image.command([], None) == ["/init", "-x", "serve"]
    assert image.command(["other"], None) == ["/init", "-x", "other"]
    assert image.command([], "sh") == ["sh"]
    assert image.command(["-c"], "sh") == ["sh", "-c"]
    assert image.command(["ls"], "") == ["ls"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Env", ["A"]), ("Env", ["=x"]), ("Env", "A=1"), ("Env", [1]), ("Env", ["A=\0"]),
        ("Cmd", "sh"), ("Entrypoint", {"a": 1}), ("User", 0.5), ("WorkingDir", ["/"]),
        ("ExposedPorts", ["80"]), ("ExposedPorts", {"0/tcp": {}}), ("ExposedPorts", {"80/x": {}}),
        ("ExposedPorts", {"70000": {}}),
        ("ExposedPorts", {f"{n}-65535/tcp": {} for n in range(1, 1000)}),
        ("StopSignal", "SIGNOPE"), ("StopSignal", "99"),
        ("StopSignal", "KILL+1"), ("StopSignal", "_IGN"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_by_name(key: str, value: Any) -> None:
    """One line; nothing is passed over."""
    with pytest.raises(LaunchFailed, match=key):
        read_wishes({"config": {key: value}})
