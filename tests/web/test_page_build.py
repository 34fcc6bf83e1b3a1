"""The page's sources: checked, tested, and built to exactly what is committed."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# A registry on a bad day takes minutes.
pytestmark = pytest.mark.timeout(600)

WEB = Path(__file__).parent.parent.parent / "web"


def npm(folder: Path, *words: str) -> str:
    program = shutil.which("npm")
    assert program is not None, "npm is not installed: scripts/setup test"
    done = subprocess.run(
        [program, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        env={**os.environ, "CI": "true", "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a copy of the sources with what the lock file says installed."""
    folder = tmp_path_factory.mktemp("page") / "web"
    shutil.copytree(WEB, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    npm(folder, "ci", "--prefer-offline")
    yield folder
    shutil.rmtree(folder)


def test_the_types_are_right(copy: Path) -> None:
    """TypeScript, strict."""
    npm(copy, "run", "check")


def test_the_parts_do_what_they_promise(copy: Path) -> None:
    """The page's own tests: wire, flow control, input positions, reconnects."""
    out = npm(copy, "test", "--", "--reporter=json")
    report = json.loads(out[out.index("{") :])

    assert report["numPassedTests"] == report["numTotalTests"] > 80


def test_the_committed_page_is_a_fresh_build(copy: Path) -> None:
    """What is shipped was made from what is read."""
    npm(copy, "run", "build")

    assert files(copy / "dist") == files(WEB / "dist"), "the page was not built: make web"


def test_the_widths_are_libghosttys() -> None:
    """The page and the server's screen agree on every code point."""
    script = runpy.run_path(str(WEB / "scripts" / "widths.py"))

    assert (WEB / "src" / "widths.json").read_text() == script["text"]()


def test_the_lock_file_names_no_host() -> None:
    """Packages come from whichever registry the machine uses, and are what their hash says."""
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = [fields for name, fields in lock["packages"].items() if name]

    assert packages
    assert [fields for fields in packages if "resolved" in fields] == []
    assert all(fields["integrity"].startswith("sha512-") for fields in packages)


def sources_with(pattern: str) -> list[str]:
    """Return the names of the sources in which a regular expression finds something."""
    paths = sorted((WEB / "src").glob("*.ts"))
    return [path.name for path in paths if re.search(pattern, path.read_text())]


def test_nothing_makes_html_of_text() -> None:
    """No source writes HTML or builds code from text."""
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\("

    assert sources_with(forbidden) == []


def test_only_the_name_stays_in_the_browser() -> None:
    """What outlives a tab is what others call you: never the token, which link.ts takes."""
    assert sources_with("localStorage") == ["name.ts"]
    assert "access" not in (WEB / "src" / "name.ts").read_text()
