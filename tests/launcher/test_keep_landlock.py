"""Landlock: what is given up is gone, and what is needed is there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ptykeep import landlock

if TYPE_CHECKING:
    from pathlib import Path

DRIVER = os.path.join(os.path.dirname(__file__), "landlock_driver.py")
REFUSED = {
    "change what is here": (1, "EACCES"),
    "read elsewhere": (1, "EACCES"),
    "change what is elsewhere": (1, "EACCES"),
    "list elsewhere": (1, "EACCES"),
    "write to a device": (1, "EACCES"),
    "execute": (1, "EACCES"),
    "connect": (4, "EACCES"),
    "listen": (4, "EACCES"),
    "connect to an abstract socket": (6, "EPERM"),
    "signal another": (6, "EPERM"),
}
"""The version of the kernel's interface since which, and how."""


def outcomes(folder: Path, how: str) -> dict[str, str]:
    """Have all acts tried in ``folder``, ``enclosed`` or ``free``."""
    (folder / "elsewhere").write_text("secret")
    place = folder / "container"
    (place / "sessions").mkdir(parents=True)
    (place / "here").write_text("token")
    name = f"ptyd-{folder.name}-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(b"\0" + name.encode())
        abstract.listen()
        port = str(tcp.getsockname()[1])
        said = subprocess.run(
            [sys.executable, DRIVER, how, port, name], cwd=place, stdout=subprocess.PIPE, check=True
        )
    tried: dict[str, str] = json.loads(said.stdout)
    return tried


def test_nothing_of_it_is_refused_without(tmp_path: Path) -> None:
    """The baseline: each act works where nobody is enclosed."""
    assert set(outcomes(tmp_path, "free").values()) == {"done"}


def test_only_the_journal_and_the_folder_are_left(tmp_path: Path) -> None:
    """What a kernel of this version can forbid is forbidden; everything else still works."""
    here = landlock.version()
    tried = outcomes(tmp_path, "enclosed")
    refused = {act: how for act, (since, how) in REFUSED.items() if here >= since}

    assert tried == {act: refused.get(act, "done") for act in tried}
    assert set(REFUSED) < set(tried)


@pytest.mark.parametrize("has", [1, 2, 3, 4, 5, 6])
def test_an_older_kernel_is_asked_for_less(
    has: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No ruleset has anything that the kernel's version does not know."""
    asked: list[tuple[int, int, int]] = []

    def record(number: int, *arguments: object) -> int:
        if number == 444:
            rules = arguments[0]._obj  # type: ignore[attr-defined] # what byref() points to
            asked.append((rules.files, rules.tcp, rules.scopes))
            return os.open("/dev/null", os.O_RDONLY)
        return 0

    (tmp_path / "sessions").mkdir()
    monkeypatch.setattr(landlock, "version", lambda: has)
    monkeypatch.setattr("ptykeep.landlock.sc.call", record)
    assert landlock.enclose(str(tmp_path), str(tmp_path / "sessions")) == has
    ((files, tcp, scopes),) = asked

    assert files.bit_length() == {1: 13, 2: 14, 3: 15, 4: 15}.get(has, 16)
    assert bool(tcp) == (has >= 4)
    assert bool(scopes) == (has >= 6)
