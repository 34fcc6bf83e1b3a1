"""The list of attacks in docs/hostile.md: nothing is missing, and all that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

from confrontation import ATTACKS

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d+) \| [^|]+ \| (.+) \|$", re.MULTILINE)
ROWS = {int(number): text for number, text in ROW.findall((ROOT / "docs/hostile.md").read_text())}


def test_every_number_is_there() -> None:
    """Each with an attack, a test, or a reason why not."""
    assert list(ROWS) == list(range(1, 50))
    assert all("`" in text or text.startswith("not tried: ") for text in ROWS.values())


def test_every_attack_is_in_its_row() -> None:
    """Under its own number or a neighbour's that it stands for."""
    named = {number for text in ROWS.values() for number in re.findall(r"`a(\d\d)`", text)}

    assert named == {name[1:3] for name in ATTACKS}


def test_every_test_is_there() -> None:
    """Where the list says."""
    for text in ROWS.values():
        for path, test in re.findall(r"`(tests/\S+\.py)::(\w+)`", text):
            assert f"def {test}(" in (ROOT / path).read_text(), f"{path}::{test}"
