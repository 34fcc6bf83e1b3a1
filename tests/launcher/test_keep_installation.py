"""Which ptyd a keeper starts: the one that was put in place, if its owner has put it there."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from ptykeep.installation import Installation, choose, chosen

if TYPE_CHECKING:
    from pathlib import Path

OWN = Installation(sys.executable, ["/own"])


def test_what_was_chosen_is_started_until_it_is_taken_back(tmp_path: Path) -> None:
    """And the keeper's own where nothing was."""
    other = Installation("/usr/bin/python3", ["/new", "/more"])
    before = chosen(str(tmp_path), ["/own"])
    choose(str(tmp_path), other)
    between = chosen(str(tmp_path), ["/own"])
    choose(str(tmp_path), None)
    choose(str(tmp_path), None)

    assert (before, between, chosen(str(tmp_path), ["/own"])) == (OWN, other, OWN)


@pytest.mark.parametrize(
    "said",
    ["", "[]", "{}", '{"python": "x"}', '{"python": "x", "path": 1}', '"text"', "\0" * 9],
    ids=["empty", "list", "object", "no-path", "number", "text", "nul"],
)
def test_nonsense_is_nobodys_choice(tmp_path: Path, said: str) -> None:
    """A keeper goes on with its own."""
    (tmp_path / "server.json").write_text(said)

    assert chosen(str(tmp_path), ["/own"]) == OWN


def test_a_strangers_choice_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a container's server could write, if it could write there, starts nothing."""
    choose(str(tmp_path), Installation("/bin/evil", ["/evil"]))
    if os.geteuid() == 0:
        os.chown(tmp_path / "server.json", 1234, 1234)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 1234)

    assert chosen(str(tmp_path), ["/own"]) == OWN


def test_a_program_is_looked_for_in_order(tmp_path: Path) -> None:
    """The first folder that has it; where none has, starting it fails by itself."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b/main.py").write_text("")
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]

    assert Installation("py", folders).program("main.py") == f"{folders[1]}/main.py"
    assert Installation("py", folders).program("none.py") == f"{folders[0]}/none.py"
