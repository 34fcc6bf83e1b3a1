"""What the documents promise a newcomer is what the Makefile has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = 80
"""Lines of a document that people read before they do something."""


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_every_target_that_is_named_exists(name: str) -> None:
    """Who follows a document meets no "No rule to make target"."""
    # As code: at the start of a line, after a prompt, or in backquotes; not the English verb.
    named = re.findall(r"(?:^|`|\$ )make ([a-z]+)", (ROOT / name).read_text(), re.MULTILINE)

    assert named
    assert set(named) <= make_targets()


def test_make_alone_says_what_there_is() -> None:
    """The help names every target, and nothing is run by accident."""
    done = subprocess.run(
        ["make"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=20
    )
    helped = set(re.findall(r"^make ([a-z]+) ", done.stdout, re.MULTILINE))

    assert helped == make_targets() - {"help"}


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md"])
def test_a_document_is_a_page(name: str) -> None:
    """Longer ones are not read."""
    assert 10 < (ROOT / name).read_text().count("\n") <= PAGE


def test_the_changelog_knows_the_version() -> None:
    """Keep-a-changelog: a section a version, newest first, and one for what is not released."""
    sections = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)

    assert version is not None
    assert sections[0] == "Unreleased"
    assert version[1] in sections or len(sections) == 1


@pytest.mark.parametrize("script", ["scripts/setup", ".ci/run"])
def test_a_script_parses(script: str) -> None:
    """bash reads it without a complaint, and it can be executed."""
    subprocess.run(["bash", "-n", script], cwd=ROOT, check=True, timeout=20)

    assert (ROOT / script).stat().st_mode & 0o111


def test_setup_names_its_usage() -> None:
    """A wrong stage is refused before anything is installed."""
    done = subprocess.run(
        ["scripts/setup", "everything"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert done.returncode == 2
    assert "usage: scripts/setup run|test|check" in done.stderr


def test_collecting_needs_no_account() -> None:
    """On a bare machine only root exists: what tests need they make, and only when they run."""
    bare = (
        "for f in /etc/subuid /etc/subgid; do [ ! -e $f ] || mount --bind /dev/null $f; done; "
        'exec "$@"'
    )
    done = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", bare, "sh"),
            *(sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"),
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout[-2000:]
