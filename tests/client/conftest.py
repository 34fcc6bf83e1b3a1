"""A scripted server, and a user of it on a real terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fake_ptyd import FakePtyd
from ptyc_user import TerminalUser

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[FakePtyd]:
    with FakePtyd() as server:
        yield server


@pytest.fixture
def user(server: FakePtyd) -> Iterator[TerminalUser]:
    user = TerminalUser(server.link)
    yield user
    user.close()
