"""Which ptyd a keeper starts: the one that was put in place, if its owner has put it there."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from ptykeep.installation import Installation, choose, chosen, here

if TYPE_CHECKING:
    from pathlib import Path

OWN = Installation(sys.executable, ["/own"], "/own")


def test_what_was_chosen_is_started_until_it_is_taken_back(tmp_path: Path) -> None:
    """And the keeper's own where nothing was."""
    other = Installation("/usr/bin/python3", ["/new", "/more"], "/more")
    before = chosen(str(tmp_path), OWN)
    choose(str(tmp_path), other)
    between = chosen(str(tmp_path), OWN)
    choose(str(tmp_path), None)
    choose(str(tmp_path), None)

    assert (before, between, chosen(str(tmp_path), OWN)) == (OWN, other, OWN)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "[]",
        "{}",
        '{"python": "x"}',
        '{"python": "x", "path": 1, "home": "y"}',
        '"text"',
        "\0" * 9,
    ],
    ids=["empty", "list", "object", "no-path", "number", "text", "nul"],
)
def test_nonsense_is_nobodys_choice(tmp_path: Path, said: str) -> None:
    """A keeper goes on with its own."""
    (tmp_path / "server.json").write_text(said)

    assert chosen(str(tmp_path), OWN) == OWN


def test_a_strangers_choice_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a container's server could write, if it could write there, starts nothing."""
    choose(str(tmp_path), Installation("/bin/evil", ["/evil"], "/evil"))
    if os.geteuid() == 0:
        os.chown(tmp_path / "server.json", 1234, 1234)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 1234)

    assert chosen(str(tmp_path), OWN) == OWN


def test_the_first_folder_that_has_it_is_home(tmp_path: Path) -> None:
    """And stays it, whatever is there later: no other copy takes the place of a missing one."""
    folders = [str(tmp_path / name) for name in "abc"]
    for folder in folders[1:]:
        (tmp_path / folder / "ptyd").mkdir(parents=True)
        (tmp_path / folder / "ptyd/__main__.py").write_text("")
    found = here(folders)
    (tmp_path / "b/ptyd/__main__.py").unlink()

    assert found == Installation(sys.executable, folders, folders[1])
    assert found.program("ptyd/__main__.py") == f"{folders[1]}/ptyd/__main__.py"
