"""The release that code knows is the one that is packaged."""

from __future__ import annotations

import tomllib
from pathlib import Path

from ptywire.release import RELEASE

ROOT = Path(__file__).parent.parent.parent


def test_it_is_the_projects_version() -> None:
    """One number in two places stays one number."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["version"] == RELEASE
