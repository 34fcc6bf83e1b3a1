"""No attack leaves anything behind, on the host or beside it."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

import leaks
from confrontation import LEAKY, bait
from ordinary_user import Account, ordinary_user
from ptyd_user import Ptyd

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLERS = ["root", "ordinary user"] if os.geteuid() == 0 else ["ordinary user"]


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    with leaks.checked():
        yield


@pytest.fixture(scope="session")
def baits() -> Iterator[dict[str, Any]]:
    """What attacks look for on the host, put out for them."""
    with bait() as words:
        yield words


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with ordinary_user() as account:
        yield account


@pytest.fixture(scope="module", params=CALLERS)
def ptyd(request: pytest.FixtureRequest, account: Account) -> Iterator[Ptyd]:
    """The commands of root and of an ordinary user, both with descriptors left open."""
    with tempfile.TemporaryDirectory(prefix="hostile") as folder:
        root = f"{folder}/root"
        if request.param == "root":
            ptyd = Ptyd(root, prefix=LEAKY)
        else:
            os.chown(folder, account.uid, -1)
            ptyd = Ptyd(
                root, programs=account.programs, prefix=[*LEAKY, *account.prefix], HOME=account.home
            )
        try:
            yield ptyd
        finally:
            ptyd.remove_all()
        assert ptyd.left() == []
