"""``ptyd run`` and the keeper that it sends ahead, before it has read its own command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from leaks import descendants
from waiting import is_alive, wait_for_end, wait_until

if TYPE_CHECKING:
    from ptyd_user import Ptyd

_SLOW = """\
import os, signal
open(os.path.dirname(__file__) + "/reached", "w").close()
signal.pause()
"""


def test_what_both_complain_of_is_in_the_containers_logs(ptyd: Ptyd) -> None:
    """Though they were started before there was such a place."""
    container = ptyd.start("sleep", "1000")
    pids = (container.keeper_pid, container.server_pid())
    logs = [os.readlink(f"/proc/{pid}/fd/2") for pid in pids]

    assert [os.path.basename(log) for log in logs] == ["keeper.log", "server.log"]
    assert all(container.id in log for log in logs)


@pytest.mark.parametrize("words", [["--no-such-option"], ["--name", "/", "true"], []])
def test_nothing_is_left_of_a_command_line_that_is_wrong(ptyd: Ptyd, words: list[str]) -> None:
    """The keeper that was sent ahead goes with the command; the leak check waits for that."""
    done = ptyd("run", *words)

    assert done.code == 125
    assert len(done.err.splitlines()) == 1
    assert ptyd.left() == []


@pytest.mark.parametrize("words", [["--help"], ["--rm", "--help", "true"]], ids=range(2))
def test_help_sends_nobody_ahead(ptyd: Ptyd, words: list[str]) -> None:
    """It is told without a process more."""
    watched = ["/usr/bin/strace", "-f", "-qq", "-e", "trace=execve"]
    done = ptyd.call(*watched, *ptyd.command("ptyd", "run", *words))

    assert done.code == 0
    assert "ptykeep" not in done.err


@pytest.mark.parametrize("words", [["run", "sleep", "1000"], ["run", "-d", "--rm", "true"]])
def test_killed_while_it_loads_it_leaves_nobody(
    ptyd: Ptyd, tmp_path: Path, words: list[str]
) -> None:
    """SIGKILL of the command before it knows what to start: keeper and server end at once."""
    (tmp_path / "argparse.py").write_text(_SLOW)
    with ptyd.background("ptyd", *words, PYTHONPATH=str(tmp_path)) as process:
        wait_until((tmp_path / "reached").exists)
        wait_until(lambda: len(descendants(process.pid)) == 2, what="a keeper and its server")
        ahead = descendants(process.pid)
        process.kill()
        for pid in ahead:
            wait_for_end(pid)

    assert ptyd.left() == []


@pytest.mark.parametrize("sign", ["names/*", "containers/*/bundle", "containers/*/keeper.log"])
def test_killed_while_it_starts_nobody_is_astray(ptyd: Ptyd, sign: str) -> None:
    """Who is left then is the keeper of a container, which ``rm`` ends; else nobody is."""
    root = Path(ptyd.root)
    with ptyd.background("ptyd", "run", "sleep", "1000") as process:
        wait_until(lambda: list(root.glob(sign)))
        ahead = descendants(process.pid)
        process.kill()
        process.wait()
    ptyd.remove_all()
    wait_until(lambda: not any(map(is_alive, ahead)), what="those who were sent ahead end")

    assert ptyd.left() == []


def test_from_a_folder_that_is_gone_with_everything_closed(ptyd: Ptyd, tmp_path: Path) -> None:
    """No descriptor of the keeper's gets the number of a closed one of ours."""
    script = 'mkdir gone; cd gone; rmdir ../gone; umask 777; exec "$@" <&- >&- 2>&-'
    command = ptyd.command("ptyd", "run", "--rm", "sh", "-c", "exit 7")
    done = ptyd.call("/usr/bin/env", "-C", str(tmp_path), "sh", "-c", script, "sh", *command)

    assert done.code == 7
    assert ptyd.left() == []


def test_as_a_module_it_is_the_same_command(ptyd: Ptyd) -> None:
    """``python -m ptycli``, with variables that are for another Python."""
    python = str(Path(ptyd.command("ptyd")[0]).with_name("python"))
    done = ptyd.call(
        python, "-m", "ptycli", "run", "--rm", "echo", "hello", PYTHONDONTWRITEBYTECODE="1"
    )

    assert (done.code, done.out, done.err) == (0, b"hello\n", "")
