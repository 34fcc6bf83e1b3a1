"""What holds for every test of the server."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
import uvloop

from served import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

uvloop.new_event_loop().close()  # the first one opens what all of them share, for good

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> Iterator[None]:
    """Whatever a test opened is closed after it."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    left = set(os.listdir("/proc/self/fd")) - before

    assert not {fd for fd in left if os.path.exists(f"/proc/self/fd/{fd}")}


@pytest.fixture(scope="session", params=LOOPS)
def make_loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """The event loop that people have, and the one that the server uses."""
    return LOOPS[request.param]


@pytest.fixture
def loop(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that fails its test when something in it failed."""
    made = make_loop()
    failures: list[object] = []
    made.set_exception_handler(lambda _, context: failures.append(context))
    yield made
    made.close()

    assert failures == []


@pytest.fixture
def served(make_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path) -> Iterator[Served]:
    with Served(make_loop, tmp_path) as it:
        yield it


@pytest.fixture
def piped(make_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path) -> Iterator[Served]:
    """A program without a terminal."""
    with Served(make_loop, tmp_path, terminal=False) as it:
        yield it
