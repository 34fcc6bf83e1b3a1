"""Every end-to-end test has a root of its own and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import leaks
from cgroups import delegated, entering
from ordinary_user import Account, ordinary_user
from page_user import Chromium, driver
from ptyd_user import Container, Ptyd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Playwright


@pytest.fixture(autouse=True)
def _nothing_leaks(tmp_path: Path) -> Iterator[None]:
    with leaks.checked(str(tmp_path)):
        yield


@pytest.fixture
def ptyd(tmp_path: Path) -> Iterator[Ptyd]:
    """The commands, with an empty state; what a test leaves running is removed, and stays gone."""
    ptyd = Ptyd(str(tmp_path / "root"))
    try:
        yield ptyd
    finally:
        ptyd.remove_all()
    assert ptyd.left() == [], "rm -f left files"


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with ordinary_user() as account:
        yield account


@pytest.fixture
def folder(account: Account) -> Iterator[Path]:
    """A folder of theirs, in a place that they can reach."""
    path = tempfile.mkdtemp(prefix="ptyd-")
    os.chown(path, account.uid, -1)
    yield Path(path)
    shutil.rmtree(path)


@pytest.fixture
def theirs(account: Account, folder: Path) -> Iterator[Ptyd]:
    ptyd = account.ptyd(str(folder / "root"))
    try:
        yield ptyd
    finally:
        ptyd.remove_all()
    assert ptyd.left() == []


@pytest.fixture(params=["root", "ordinary"])
def limited(request: pytest.FixtureRequest, account: Account) -> Iterator[Ptyd]:
    """The commands of somebody who may limit: root, or an ordinary user who was given a cgroup."""
    if request.param == "root":
        yield request.getfixturevalue("ptyd")
        return
    theirs: Ptyd = request.getfixturevalue("theirs")
    with delegated(account.uid) as leaf:
        prefix = [*entering(leaf), *account.prefix]
        inside = Ptyd(theirs.root, programs=account.programs, HOME=account.home, prefix=prefix)
        yield inside
        inside.remove_all()


@pytest.fixture(params=["me", "ordinary"])
def anybody(request: pytest.FixtureRequest) -> Ptyd:
    """The commands as whoever runs the tests, root for one, and as an ordinary user."""
    name = "ptyd" if request.param == "me" else "theirs"
    commands: Ptyd = request.getfixturevalue(name)
    return commands


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with driver() as playwright:
        yield playwright


@pytest.fixture
def chromium(playwright: Playwright) -> Iterator[Chromium]:
    browser = Chromium(playwright)
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture
def bash(ptyd: Ptyd) -> Container:
    """A shell whose prompt is PROMPT of :mod:`page_user`."""
    return ptyd.start("-e", "PS1=now> ", "bash", "--norc")
