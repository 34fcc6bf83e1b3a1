"""``ptyd rename`` and ``ptyd prune``."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ptycli.prune import _BEING_MADE
from waiting import wait_for_end

if TYPE_CHECKING:
    from ptyd_user import Ptyd


def test_a_new_name_holds_everywhere(ptyd: Ptyd) -> None:
    """For those that run, that wait and that have ended; the old one is free again."""
    running = ptyd.start("--name", "running", "cat")
    ptyd("create", "--name", "created", "cat")
    ptyd("run", "--name", "ended", "true")
    for old in ("running", "created", "ended"):
        assert ptyd("rename", old, f"{old}.new") == (0, b"", "")
    with running.attach() as client:
        shown = client.hello["name"]
    kept = sorted(os.listdir(f"{ptyd.root}/names"))

    assert shown == "running.new"
    assert kept == ["created.new", "ended.new", "running.new"]
    assert ptyd.inspect(running.id)["Name"] == "running.new"
    assert ptyd.inspect("ended.new")["Name"] == "ended.new"
    assert ptyd("start", "created.new", "ended.new").code == 0
    assert ptyd.inspect("ended.new")["Name"] == "ended.new"
    assert ptyd("run", "--name", "ended", "--rm", "true").code == 0


def test_what_is_no_new_name(ptyd: Ptyd) -> None:
    """Taken, its own, none, or of nobody: one line, 1, and all stays as it was."""
    ptyd("create", "--name", "one", "cat")
    ptyd("create", "--name", "two", "cat")
    done = [
        ptyd("rename", old, new)
        for old, new in (("one", "two"), ("one", "one"), ("one", "!x"), ("one", "a/b"))
    ]
    done.append(ptyd("rename", "none", "three"))

    assert [each.err.count("\n") for each in done] == [1] * 5
    assert [each.code for each in done[:4]] == [1] * 4
    assert sorted(os.listdir(f"{ptyd.root}/names")) == ["one", "two"]


def test_a_hung_keeper_keeps_its_name(ptyd: Ptyd) -> None:
    """Who cannot be told is not renamed; nobody waits for ever, and ``rm -f`` has its way."""
    it = ptyd.start("--name", "it", "sleep", "1000")
    os.kill(it.keeper_pid, signal.SIGSTOP)
    done = ptyd("rename", "it", "other")
    names = os.listdir(f"{ptyd.root}/names")
    removed = ptyd("rm", "-f", "it")

    assert done == (1, b"", "ptyd rename: it: its keeper does not answer\n")
    assert names == ["it"]
    assert removed == (0, b"it\n", "")


def test_a_hung_keeper_is_passed_by(ptyd: Ptyd) -> None:
    """A signal reaches the program without it."""
    it = ptyd.start("--name", "it", "sleep", "1000")
    program = it.pid
    os.kill(it.keeper_pid, signal.SIGSTOP)
    done = ptyd("kill", "it")
    os.kill(it.keeper_pid, signal.SIGCONT)

    assert done == (0, b"it\n", "")
    wait_for_end(program)
    assert it.wait_for_status() == 137


def test_prune_removes_what_does_not_run(ptyd: Ptyd) -> None:
    """Created, ended, and those whose keeper was killed; what runs or is held stays."""
    running, killed = ptyd.start("cat"), ptyd.start("cat")
    held = ptyd.start("cat")
    ptyd("pause", held.id)
    ended = ptyd.start("true")
    ended.wait_for_status()
    created = ptyd("create", "cat").out.decode().strip()
    os.kill(killed.keeper_pid, signal.SIGKILL)
    wait_for_end(killed.keeper_pid)
    done = ptyd("prune", "--force")
    first, *ids, blank, last = done.out.decode().split("\n")[:-1]

    assert (done.code, done.err, first) == (0, "", "Deleted Containers:")
    assert (blank, last) == ("", "Total reclaimed space: 0B")
    assert sorted(ids) == sorted([created, ended.id, killed.id])
    assert sorted(os.listdir(f"{ptyd.root}/containers")) == sorted([running.id, held.id])
    assert ptyd("prune", "-f") == (0, b"Total reclaimed space: 0B\n", "")


@pytest.mark.parametrize(("typed", "goes"), [("y", True), ("n", False), ("", False)])
def test_prune_asks(ptyd: Ptyd, typed: str, *, goes: bool) -> None:
    """On a terminal; anything but yes is no."""
    ptyd("create", "--name", "it", "cat")
    with ptyd.terminal("ptyd", "prune") as user:
        user.sees("[y/N]")
        user.type(f"{typed}\r")
        code = user.finish()

    assert (code, ptyd.names()) == ((0, []) if goes else (1, ptyd.names()))
    assert bool(ptyd.names()) is not goes


def test_prune_without_anybody_to_ask(ptyd: Ptyd) -> None:
    """End-of-file is no."""
    ptyd("create", "cat")
    done = ptyd("prune", stdin=b"")

    assert (done.code, done.out) == (1, b"")
    assert len(ptyd.names()) == 1


def test_prune_of_those_before(ptyd: Ptyd) -> None:
    """By when they were created."""
    ptyd("create", "cat")
    early = ptyd("prune", "-f", "--filter", "until=1h")
    kept = len(ptyd.names())
    late = ptyd("prune", "-f", "--filter", "until=2100-01-01")

    assert (early, kept) == ((0, b"Total reclaimed space: 0B\n", ""), 1)
    assert late.code == 0
    assert ptyd.left() == []


def test_prune_of_those_with_labels(ptyd: Ptyd) -> None:
    """All that are wanted, and none of those that are not."""
    made = {
        name: ptyd("create", "--name", name, *words, "cat").out.decode().strip()
        for name, words in {"a": ["-l", "x=1"], "b": ["-l", "x=2"], "c": ["-l", "y"]}.items()
    }

    def pruned(*filters: str) -> list[str]:
        words = [word for text in filters for word in ("--filter", text)]
        return ptyd("prune", "-f", *words).out.decode().split("\n")[1:-3]

    assert pruned("label=x", "label=y") == []
    assert pruned("label=x=1") == [made["a"]]
    assert pruned("label!=x") == [made["c"]]
    assert pruned() == [made["b"]]


def test_prune_leaves_those_that_are_being_made(ptyd: Ptyd) -> None:
    """A folder that holds nothing yet is somebody's for a minute."""
    ptyd("run", "--rm", "true")
    young, old = (Path(ptyd.root, "containers", digits * 32) for digits in ("ab", "cd"))
    young.mkdir()
    old.mkdir()
    before = old.stat().st_mtime - _BEING_MADE
    os.utime(old, (before, before))
    done = ptyd("prune", "-f")

    assert done.out.decode().split("\n")[1:-3] == [old.name]
    assert young.exists()


@pytest.mark.parametrize("text", ["until", "until=", "until=soon", "color=x"])
def test_what_is_no_filter(ptyd: Ptyd, text: str) -> None:
    """One line and 1."""
    done = ptyd("prune", "-f", "--filter", text)

    assert (done.code, done.err.count("\n")) == (1, 1)


@pytest.mark.parametrize("verb", ["stop", "restart", "pause", "unpause", "kill", "start", "rename"])
def test_an_ambiguous_prefix(ptyd: Ptyd, verb: str) -> None:
    """Nobody is meant: one line and 1."""
    ptyd("run", "--rm", "true")
    for digits in ("ab", "ac"):
        Path(ptyd.root, "containers", digits * 32).mkdir()
    done = ptyd(verb, "a", *(["new"] if verb == "rename" else []))

    assert (done.code == 0, done.err.count("\n")) == (False, 1)
    assert "is a prefix of 2 containers" in done.err
