"""Requests for other programs: who may, what the keeper is sent, and who hears the answer."""

from __future__ import annotations

import io
import json
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ptyd.execution import Executions, Gift
from ptyd.net.asking import Asking
from ptyd.session.people import CONTROL, OWNER, VIEW

if TYPE_CHECKING:
    from ptywire.message import Event


class Asked:
    """A connection, and the keeper behind it."""

    def __init__(self, version: int = 2) -> None:
        self.requests: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.events: list[dict[str, Any]] = []
        self.executions = Executions(version, self._request)
        self.asking = Asking(cast("Any", SimpleNamespace(executions=self.executions)), self._send)

    def _request(self, fields: dict[str, Any], gift: Gift | None) -> None:
        assert isinstance(gift, io.FileIO)
        with gift:
            body = os.pread(gift.fileno(), 1 << 20, 0)
        self.requests.append((fields, json.loads(body)))

    def _send(self, event: Event) -> None:
        self.events.append(event.fields)


def test_what_is_asked_goes_to_the_keeper_in_a_file() -> None:
    """Only the fields that it knows, however long."""
    asked = Asked()
    wish = {"args": ["x" * 500_000], "env": ["A=1"], "tty": True}
    asked.asking.ask({"request": "exec", **wish, "pid": 1}, OWNER)

    assert asked.requests == [({"type": "exec", "request": 1}, wish)]
    assert asked.asking.is_due


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        ({"type": "started", "session": 4}, {"event": "started", "session": 4}),
        (
            {"type": "failed", "stage": "exec", "errno": 2, "error": "no", "exit_code": 127},
            {"event": "refused", "reason": "no", "stage": "exec", "errno": 2, "exit_code": 127},
        ),
    ],
    ids=["started", "failed"],
)
def test_the_answer_reaches_who_asked(answer: dict[str, Any], event: dict[str, Any]) -> None:
    """Once; an answer to what nobody asked is nothing."""
    asked = Asked()
    asked.asking.ask({"args": ["a"]}, OWNER)
    asked.executions.answer(7, answer)
    asked.executions.answer(1, answer)
    asked.executions.answer(1, answer)

    assert asked.events == [event]
    assert not asked.asking.is_due


@pytest.mark.parametrize("role", [VIEW, CONTROL])
def test_only_an_owner_may_ask(role: str) -> None:
    """The keeper hears nothing of it."""
    asked = Asked()
    asked.asking.ask({"args": ["a"]}, role)

    assert asked.requests == []
    assert asked.events[0]["event"] == "refused"


def test_an_older_keeper_is_not_asked() -> None:
    """It would ignore it, and the client wait for ever."""
    asked = Asked(version=1)
    asked.asking.ask({"args": ["a"]}, OWNER)

    assert asked.requests == []
    assert asked.events[0]["exit_code"] == 125
    assert not asked.asking.is_due


def test_who_has_gone_is_told_nothing() -> None:
    """The program runs all the same."""
    asked = Asked()
    asked.asking.ask({"args": ["a"]}, OWNER)
    asked.asking.close()
    asked.executions.answer(1, {"type": "started", "session": 1})

    assert asked.events == []
