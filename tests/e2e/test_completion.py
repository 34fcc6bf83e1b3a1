"""``ptyd completion`` in the shells that it is for."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ptyd_user import Ptyd

LINES = [
    ("ptyd ins", ["inspect"]),
    ("ptyd ps --no", ["--no-trunc"]),
    ("ptyd stop al", ["alive", "also"]),
    ("ptyd rm -f aliv", ["alive"]),
    ("ptyd logs --format as", ["asciicast"]),
    ("ptyd ps --filter st", ["status="]),
    ("ptyd stop alive al", ["also"]),
    ("ptyd image pr", ["prune"]),
    ("ptyc aliv", ["alive"]),
    ("ptyd run --name x --rea", ["--read-only"]),
    ("ptyd completion z", ["zsh"]),
    ("ptyd cp al", ["alive:", "also:"]),
    ("ptyd stop nobody-of-this-name", []),
]
_ASK_BASH = """
source <(ptyd completion bash)
COMP_LINE=$1 COMP_POINT=${#1}
read -ra COMP_WORDS <<<"$1"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_ptyd
printf '%s\\n' "${COMPREPLY[@]}"
complete -p ptyd ptyc >&2
"""


@pytest.fixture
def two(ptyd: Ptyd) -> Ptyd:
    """The commands, found by PATH, with two containers that have been."""
    ptyd.env["PATH"] = f"{Path(ptyd.command('ptyd')[0]).parent}:{os.environ['PATH']}"
    for name in ("alive", "also"):
        assert ptyd("run", "--name", name, "true").code == 0
    return ptyd


def ask(ptyd: Ptyd, *command: str) -> list[str]:
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=60, env=ptyd.env
    )
    said: str = done.stdout
    return sorted(filter(None, said.splitlines()))


def test_bash_completes(two: Ptyd) -> None:
    """By the function that it calls for a tabulator."""
    for line, wanted in LINES:
        assert ask(two, "bash", "-c", _ASK_BASH, "bash", line) == wanted, line


def test_bash_completes_behind_a_colon_and_an_equals_sign(two: Ptyd) -> None:
    """Where readline thinks that a new word begins."""
    assert ask(two, "bash", "-c", _ASK_BASH, "bash", "ptyd logs --format=asc") == ["asciicast"]


def test_fish_completes(two: Ptyd, tmp_path: Path) -> None:
    """As it says itself with complete -C; nothing of its descriptions is ours."""
    two.env["HOME"] = str(tmp_path)
    for line, wanted in LINES:
        script = f"ptyd completion fish | source; complete -C {shlex.quote(line)}"
        found = ask(two, "fish", "--no-config", "-c", script)
        assert sorted(each.partition("\t")[0] for each in found) == wanted, line


def test_zsh_completes(two: Ptyd, tmp_path: Path) -> None:
    """On a terminal, at a tabulator."""
    two.env |= {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path)}
    (tmp_path / ".zshrc").write_text(
        "PS1='ready> '; unsetopt beep; autoload -Uz compinit; compinit -D -u\n"
        "source <(ptyd completion zsh)\n"
    )
    with two.terminal("/usr/bin/env", "zsh", "-i") as user:
        user.sees("ready> ", within=40)
        for typed, completed in (
            ("ptyd insp\t", "ptyd inspect "),
            ("aliv\t", "alive "),
            ("--typ\t", "--type "),
            ("con\t", "container "),
        ):
            user.type(typed)
            user.sees(completed.rsplit(" ", 2)[-2][-3:], within=40)
        user.type('\x15echo d""one\r')
        user.sees("done", within=40)
        user.type("exit\r")
        user.finish()


@pytest.mark.parametrize(
    "words",
    [[""], ["nosuch", ""], ["exec", "x", "-"], ["image", "nosuch", "x"], ["\x1b[31m", "\n"]],
    ids=range(5),
)
def test_questions_without_an_answer_are_no_errors(ptyd: Ptyd, words: list[str]) -> None:
    """A shell that asks shows nothing of us on the terminal."""
    done = ptyd("completion", "--words", "--", *words)

    assert (done.code, done.err) == (0, "")


def test_each_verb_can_be_completed(ptyd: Ptyd) -> None:
    """Its flags are there; also where there is no state folder yet."""
    verbs = ptyd("completion", "--words", "--", "").out.decode().split()
    assert {"run", "ps", "completion"} <= set(verbs)
    for verb in verbs:
        if verb.startswith("--") or verb in ("container", "image"):  # verbs follow
            continue
        done = ptyd("completion", "--words", "--", verb, "--he")
        assert (done.code, done.out) == (0, b"--help\n"), verb


@pytest.mark.parametrize("words", [["csh"], [], ["bash", "zsh"]], ids=range(3))
def test_another_shell_is_refused(ptyd: Ptyd, words: list[str]) -> None:
    """One line, 125."""
    done = ptyd("completion", *words)

    assert (done.code, len(done.err.splitlines())) == (125, 1)
