r"""A session for programs: look at its screen, type into it, wait for what it prints.

.. code-block:: python

    session = Session("work")
    session.send("make test", keys="Enter")
    found = session.expect(r"(\d+) passed", timeout=600)
    print(found.match[1], session.screen().text)

:class:`AsyncSession` has the same methods for asyncio. Between two calls there is no connection:
what the program prints meanwhile is in the journal, where ``expect`` goes on at the byte at which
it stopped.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import TYPE_CHECKING, Final, TypeVar

from ptyc.address import parse_target
from ptyc.errand import run, run_async
from ptyc.fault import Left, Lost
from ptyc.name import user_name
from ptyc.plan import Ended, Plan
from ptyc.transport import resolve

if TYPE_CHECKING:
    from collections.abc import Generator

    from ptyc.address import Target
    from ptyc.errand import Errand
    from ptyc.watch import Found
    from ptyd.screen.shown import Screen

T = TypeVar("T")

PATIENCE: Final = 20.0
"""Seconds that a server may take, and a program until it takes what was typed."""


class SessionError(Exception):
    """It cannot be done; the message is one line for people."""


class SessionEnded(SessionError):
    """The program has ended, with the exit status ``status`` (128+signal)."""

    def __init__(self, line: str, status: int) -> None:
        super().__init__(line)
        self.status = status


class Session:
    """A session: a container's NAME, NAME/N, HOST:PORT with ``token``, or a whole link.

    Raises SessionError when there is none, SessionEnded when its program has ended, and the
    built-in TimeoutError after ``timeout`` seconds (None: never). Not for two threads at a time.
    """

    def __init__(
        self, target: str, *, token: str | None = None, view: bool = False, name: str | None = None
    ) -> None:
        """``view`` only watches; ``name`` is what others are shown."""
        self._plan = _plan_for(target, token, view=view, name=name)
        self._drive(self._plan.begin(), PATIENCE)

    def screen(self, *, scrollback: int = 0, timeout: float | None = PATIENCE) -> Screen:
        """Return what is on the screen now, and up to ``scrollback`` rows (1,000) above it."""
        return self._drive(self._plan.look(scrollback), timeout)

    def send(
        self,
        text: str = "",
        *,
        keys: str = "",
        paste: bool = False,
        timeout: float | None = PATIENCE,
    ) -> None:
        """Type ``text``, then press ``keys`` ("C-c Enter"); return when the terminal has them.

        With ``paste`` the text goes as a paste where the program asked for brackets around one.
        """
        self._drive(self._plan.send(text, keys, paste=paste), timeout)

    def expect(
        self,
        pattern: str | re.Pattern[str],
        *,
        where: str = "stream",
        timeout: float | None = PATIENCE,
    ) -> Found:
        """Wait until ``pattern`` is found (re.search, with ``^`` and ``$`` at every line).

        ``where`` is "stream" (what was printed since the last match, or since this object was
        made, without control sequences), "screen" (what can be seen, now or later) or "both".
        """
        return self._drive(self._plan.expect(_compiled(pattern), where), timeout)

    def _drive(self, plan: Generator[Errand, None, T], timeout: float | None) -> T:
        until = _until(timeout)
        with _one_line(), contextlib.closing(plan):
            while True:
                try:
                    errand = next(plan)
                except StopIteration as end:
                    result: T = end.value
                    return result
                run(errand, until)


class AsyncSession:
    """:class:`Session` for asyncio; make one with :meth:`open`. Not for two tasks at a time."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @classmethod
    async def open(
        cls, target: str, *, token: str | None = None, view: bool = False, name: str | None = None
    ) -> AsyncSession:
        """Return a session; arguments and errors as of :class:`Session`."""
        import asyncio

        # The names of hosts are looked up by the C library, which waits.
        plan = await asyncio.to_thread(_plan_for, target, token, view=view, name=name)
        session = cls(plan)
        await session._drive(plan.begin(), PATIENCE)
        return session

    async def screen(
        self,
        *,
        scrollback: int = 0,
        timeout: float | None = PATIENCE,  # noqa: ASYNC109 - as the blocking one has it
    ) -> Screen:
        """As :meth:`Session.screen`."""
        return await self._drive(self._plan.look(scrollback), timeout)

    async def send(
        self,
        text: str = "",
        *,
        keys: str = "",
        paste: bool = False,
        timeout: float | None = PATIENCE,  # noqa: ASYNC109
    ) -> None:
        """As :meth:`Session.send`."""
        await self._drive(self._plan.send(text, keys, paste=paste), timeout)

    async def expect(
        self,
        pattern: str | re.Pattern[str],
        *,
        where: str = "stream",
        timeout: float | None = PATIENCE,  # noqa: ASYNC109
    ) -> Found:
        """As :meth:`Session.expect`."""
        return await self._drive(self._plan.expect(_compiled(pattern), where), timeout)

    async def _drive(self, plan: Generator[Errand, None, T], timeout: float | None) -> T:  # noqa: ASYNC109
        until = _until(timeout)
        with _one_line(), contextlib.closing(plan):
            while True:
                try:
                    errand = next(plan)
                except StopIteration as end:
                    result: T = end.value
                    return result
                await run_async(errand, until)


def _plan_for(target: str, token: str | None, *, view: bool, name: str | None) -> Plan:
    with _one_line():
        where = _with_token(parse_target(target), token)
        return Plan(where, resolve(where), view=view, name=user_name() if name is None else name)


def _with_token(target: Target, token: str | None) -> Target:
    token = token or os.environ.get("PTYC_TOKEN")
    return target if target.is_local or target.token or not token else target._replace(token=token)


def _compiled(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    if not isinstance(pattern, str):
        return pattern
    try:
        return re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise SessionError(f"{pattern!r} is no regular expression: {error}") from error


def _until(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


@contextlib.contextmanager
def _one_line() -> Generator[None]:
    """Turn what ends an attachment into the two errors of this module."""
    try:
        yield
    except Ended as ended:
        raise SessionEnded(str(ended), ended.status) from ended
    except (Left, Lost, ValueError) as error:
        raise SessionError(str(error)) from error
