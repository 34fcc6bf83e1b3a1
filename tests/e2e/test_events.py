"""``ptyd events``: what happens is told while it does, and later."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from waiting import wait_until

if TYPE_CHECKING:
    from ptyd_user import Ptyd

EVER = ("--since", "0", "--until", "0s")


def past(ptyd: Ptyd, *words: str) -> list[dict[str, Any]]:
    done = ptyd("events", *EVER, "--format", "json", *words)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def actions(ptyd: Ptyd, *words: str) -> list[str]:
    return [each["Action"] for each in past(ptyd, *words)]


def test_a_life_in_events(ptyd: Ptyd) -> None:
    """From create to destroy, in docker's words; the container is gone by then."""
    container = ptyd.start("--name", "it", "-l", "tier=front", "sleep", "1000")
    ptyd("exec", "it", "sh", "-c", "exit 3")
    for words in (["rename", "it", "other"], ["pause", "other"], ["unpause", "other"]):
        assert ptyd(*words).code == 0
    ptyd("stop", "-t", "0", "other")
    ptyd("start", "other")
    ptyd("restart", "-t", "0", "other")
    ptyd("kill", "other")
    ptyd("rm", "-f", "other")
    found = past(ptyd, "--filter", f"container={container.id[:12]}")

    assert [each["Action"] for each in found] == [
        *("create", "start", "exec_create: sh -c exit 3", "exec_start: sh -c exit 3", "exec_die"),
        *("rename", "pause", "unpause", "kill", "die", "stop", "start"),
        *("kill", "die", "stop", "start", "restart", "kill", "die", "destroy"),
    ]
    by_action = {each["Action"]: each["Actor"]["Attributes"] for each in found}
    assert by_action["create"] == {"name": "it", "image": "host", "tier": "front"}
    assert by_action["exec_die"]["exitCode"] == "3"
    assert (by_action["rename"]["oldName"], by_action["rename"]["name"]) == ("it", "other")
    assert by_action["die"]["exitCode"] == "137"
    assert all(each["id"] == container.id for each in found)
    assert [each["timeNano"] for each in found] == sorted(each["timeNano"] for each in found)


def test_filters_and_formats(ptyd: Ptyd) -> None:
    """By container, event, image, label and type; within a time."""
    ptyd("run", "--rm", "--name", "one", "-l", "x=1", "true")
    between = time.time()
    ptyd("run", "--rm", "--name", "two", "false")
    whole = ["create", "start", "die", "destroy"]

    assert actions(ptyd) == whole * 2
    assert actions(ptyd, "-f", "container=one") == whole
    assert actions(ptyd, "-f", "event=die", "-f", "event=start") == ["start", "die"] * 2
    assert actions(ptyd, "-f", "label=x=1") == whole
    assert actions(ptyd, "-f", "image=nothing") == []
    assert actions(ptyd, "-f", "image=host", "-f", "type=container", "-f", "container=two") == whole
    late = ptyd("events", "--since", f"{between:.3f}", "--until", "0s", "--format", "{{.Action}}")
    assert late.out.decode().split() == whole
    line = ptyd("events", *EVER, "-f", "container=two", "-f", "event=die").out.decode()
    assert " container die " in line
    assert line.endswith("(exitCode=1, image=host, name=two)\n")


def test_events_are_told_when_they_happen(ptyd: Ptyd) -> None:
    """Also to who asked before there was any; a file that is full is turned meanwhile."""
    with ptyd.background(
        "ptyd", "events", "--format", "{{.Action}} {{.Actor.Attributes.name}}"
    ) as (told):
        assert told.stdout is not None
        seen = Path(f"/proc/{told.pid}/wchan")
        wait_until(lambda: "nanosleep" in seen.read_text(), what="it waits for events")
        ptyd("run", "--rm", "--name", "one", "true")
        first = [told.stdout.readline() for _ in range(4)]
        with Path(ptyd.root, "events").open("ab") as file:
            file.write(b"\n" * (1 << 20))
        ptyd("run", "--rm", "--name", "two", "true")
        second = [told.stdout.readline() for _ in range(4)]

    assert first == [b"create one\n", b"start one\n", b"die one\n", b"destroy one\n"]
    assert second == [line.replace(b"one", b"two") for line in first]
    assert Path(ptyd.root, "events.1").exists()
    assert len(actions(ptyd)) == 8


def test_what_is_torn_spoils_nothing_else(ptyd: Ptyd) -> None:
    """Half a record, nonsense, and a file that is a folder: the rest is there."""
    ptyd("run", "--rm", "true")
    events = Path(ptyd.root, "events")
    with events.open("ab") as file:
        file.write(b'\x1e{"time": 1, "act\n\x1enull\n\x1e{}\n[1]\n\xff\xfe\n\x1e{"time": 5, "ac')
    ptyd("run", "--rm", "true")
    assert actions(ptyd) == ["create", "start", "die", "destroy"] * 2

    events.unlink()
    events.mkdir()
    assert ptyd("run", "--rm", "true").code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--since", "yesterday"], 1),
        (["--until", "x", "--since", "0"], 1),
        (["--filter", "nmae=x"], 1),
        (["--format", "{{"], 1),
        (["extra"], 1),
    ],
    ids=range(5),
)
def test_a_mistake_is_one_line(ptyd: Ptyd, words: list[str], code: int) -> None:
    """Before anything is waited for."""
    done = ptyd("events", *words)

    assert (done.code, len(done.err.splitlines())) == (code, 1), done
