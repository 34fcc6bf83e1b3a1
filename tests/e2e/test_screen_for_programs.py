"""``ptyd screen``, ``send`` and ``expect``: a terminal driven from a shell."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from waiting import wait_for_end

if TYPE_CHECKING:
    from ptyd_user import Ptyd

SHELL = ("--network", "none", "-e", "PS1=$ ", "sh")


def test_a_shell_is_driven(ptyd: Ptyd) -> None:
    """Type, wait for the answer, look at the screen."""
    name = ptyd.start(*SHELL).name
    assert ptyd("send", name, "echo $((6*7))", "--keys", "Enter").code == 0
    found = ptyd("expect", name, "^4[0-9]$")
    screen = ptyd("screen", name)

    assert (found.code, found.out, found.err) == (0, b"42\n", "")
    assert screen.out.splitlines()[:3] == [b"$ echo $((6*7))", b"42", b"$"]
    assert screen.out.count(b"\n") == 24


def test_the_forms_of_a_screen(ptyd: Ptyd) -> None:
    """Text, text with its colours, and JSON; with what scrolled away where that is asked for."""
    script = r"seq 30; printf '\033[31mred\033[0m\033]0;title\007'; cat"
    name = ptyd.start("--network", "none", "sh", "-c", script).name
    assert ptyd("expect", name, "red").code == 0
    fields = json.loads(ptyd("screen", "--json", name).out)

    assert ptyd("screen", "--ansi", name).out.splitlines()[-1] == b"\x1b[0;31mred\x1b[0m"
    assert ptyd("screen", "--scrollback", "2", name).out.splitlines()[:3] == [b"6", b"7", b"8"]
    assert (fields["rows"], fields["cols"], fields["title"]) == (24, 80, "title")
    assert fields["cursor"] == {"row": 23, "col": 3, "visible": True}
    assert fields["lines"][-1]["runs"] == [
        {"col": 0, "width": 3, "text": "red", "foreground": 1},
    ]


def test_what_was_left_on_the_screen(ptyd: Ptyd) -> None:
    """After the end as well, and when keeper and server are gone."""
    container = ptyd.start("--network", "none", "printf", r"\033[32mbye")
    container.wait_for_status()
    with container.attach() as client:
        client.read_to_end()  # it is written down
    lingering = ptyd("screen", "--ansi", container.name)
    os.kill(container.keeper_pid, signal.SIGKILL)
    wait_for_end(container.keeper_pid)
    gone = ptyd("screen", "--ansi", container.name)

    assert lingering.out.splitlines()[0] == b"\x1b[0;32mbye\x1b[0m"
    assert (gone.code, gone.out, gone.err) == (0, lingering.out, "")


def test_keys_follow_the_modes_of_the_terminal(ptyd: Ptyd) -> None:
    """An arrow is what the program asked arrows to be, and a paste is in its brackets."""
    script = r"stty raw -echo; printf '\033[?1h\033[?2004h>'; head -c 17 | od -An -tx1 -w17"
    name = ptyd.start("--network", "none", "sh", "-c", script).name
    assert ptyd("expect", "--screen", name, "^>").code == 0
    assert ptyd("send", "--paste", name, "hi", "--keys", "Up").code == 0
    found = ptyd("expect", name, "1b 5b 32 30 30 7e 68 69 1b 5b 32 30 31 7e 1b 4f 41")

    assert found.code == 0, ptyd("screen", name).out


def test_what_was_found_does_not_drive_the_terminal(ptyd: Ptyd) -> None:
    """Half a sequence is no sequence, and so is in the text that is matched."""
    script = r"while :; do printf 'a\tb\302\2330;mine\b\033%%\007.\n'; sleep 0.05; done"
    name = ptyd.start("--network", "none", "sh", "-c", script).name
    found = ptyd("expect", "--stream", name, "a.*mine.*")

    assert (found.code, found.out.decode()) == (0, "a\tb?0;mine??%.\n")


def test_how_waiting_ends(ptyd: Ptyd) -> None:
    """1 when the time is over, 2 when the program ended without it; each says so."""
    name = ptyd.start("--network", "none", "sh", "-c", "read line; exit 4").name
    late = ptyd("expect", "--timeout", "0.1", name, "never")
    with ptyd.background("ptyd", "expect", "--timeout", "40", name, "never") as waiting:
        assert ptyd("send", name, "--keys", "Enter").code == 0
        _, errors = waiting.communicate(timeout=40)

    assert (late.code, late.err) == (1, "ptyd expect: not found in 0.1 s\n")
    assert waiting.returncode == 2
    assert errors == b"ptyd expect: the program ended with 4 before that\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["screen", "nobody"], "ptyd screen: no such container: nobody\n"),
        (["screen", "NAME/7"], "ptyd screen: no such session: no session 7\n"),
        (["screen", "--scrollback", "x", "NAME"], "ptyd screen: x: a number from 0 on is wanted\n"),
        (["send", "NAME", "--keys", "Foo"], "ptyd send: 'Foo' is no key: "),
        (["expect", "NAME", "("], "ptyd expect: '(' is no regular expression: "),
        (["expect", "--timeout", "-1", "NAME", "x"], "ptyd expect: -1: seconds are "),
    ],
)
def test_a_mistake_is_one_line(ptyd: Ptyd, words: list[str], line: str) -> None:
    """125, and what to do."""
    name = ptyd.start("--network", "none", "cat").name
    done = ptyd(*(word.replace("NAME", name) for word in words))

    assert done.code == 125
    assert done.err.startswith(line)
    assert done.err.count("\n") == 1


def test_a_session_without_a_terminal_has_no_screen(ptyd: Ptyd) -> None:
    """It says so, and where the output is."""
    name = ptyd.start("--network", "none", "--no-tty", "cat").name
    done = ptyd("screen", name)

    assert (done.code, done.err) == (
        125,
        "ptyd screen: that session has no terminal, and so no screen: ptyd logs has its output\n",
    )
