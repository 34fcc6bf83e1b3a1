"""``ptyd systemd``: a unit that systemd takes, and whose commands do what it says."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from ptyd_user import Ptyd

KEYS = {
    "Unit": {"Description"},
    "Service": {
        "Type",
        "Environment",
        "ExecStart",
        "ExecStop",
        "SuccessExitStatus",
        "Restart",
        "TimeoutStopSec",
        "Delegate",
    },
    "Install": {"WantedBy"},
}
"""Documented in systemd.unit(5), .service(5), .exec(5) and .resource-control(5)."""


def unit_of(ptyd: Ptyd, *words: str) -> configparser.ConfigParser:
    """Return the unit that the command prints, read as systemd.syntax(7) has it."""
    done = ptyd("systemd", *words)
    assert (done.code, done.err) == (0, "")
    unit = configparser.ConfigParser(
        delimiters="=", comment_prefixes="#", interpolation=None, strict=True
    )
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(done.out.decode())
    for section in unit.sections():
        assert set(unit[section]) <= KEYS[section]
    return unit


def words_of(line: str) -> list[str]:
    """Return the words of a command line of a unit."""
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)]


def test_systemd_takes_it(ptyd: Ptyd, tmp_path: Path) -> None:
    """Whatever the command holds: systemd-analyze finds nothing wrong where there is one."""
    ptyd("run", "--name", "it", "sh", "-c", "echo '100% \\ $HOME'; echo \"\n[Service]\n\"")
    done = ptyd("systemd", "it")
    unit = unit_of(ptyd, "it")
    file = tmp_path / "it.service"
    file.write_bytes(done.out)

    assert unit["Unit"]["Description"].startswith("ptyd container it: sh -c ")
    assert unit["Unit"]["Description"].count("%%") == 1
    assert unit["Service"]["Restart"] == "on-failure"
    assert unit["Install"]["WantedBy"] == (
        "multi-user.target" if os.geteuid() == 0 else "default.target"
    )
    if analyze := shutil.which("systemd-analyze"):
        command = [analyze, "verify", "--man=no", str(file)]
        checked = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_its_commands_start_and_stop_the_container(ptyd: Ptyd) -> None:
    """As systemd would: the first stays until the program ends, with its status; again, too."""
    script = "trap 'exit 143' TERM; echo up; sleep 1000 & wait"
    ptyd("create", "--name", "it", "--no-tty", "sh", "-c", script)
    service = unit_of(ptyd, "it")["Service"]
    start, stop = words_of(service["ExecStart"]), words_of(service["ExecStop"])
    env = {**ptyd.env, **dict(word.split("=", 1) for word in words_of(service["Environment"]))}
    for _ in range(2):
        with subprocess.Popen(
            start, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env
        ) as started:
            assert started.stdout is not None
            assert started.stdout.readline() == b"up\n"
            subprocess.run(stop, check=True, capture_output=True, env=env, timeout=40)
            assert str(started.wait(40)) in service["SuccessExitStatus"].split()
    wait_until(lambda: ptyd.inspect("it")["State"]["Status"] == "exited")


def test_only_one_of_both_starts_it_again(ptyd: Ptyd) -> None:
    """A container with a policy of its own needs none of systemd's, unless it is asked for."""
    ptyd("create", "--name", "own", "--restart", "always", "true")
    ptyd("create", "--name", "none", "true")

    assert unit_of(ptyd, "own")["Service"]["Restart"] == "no"
    assert unit_of(ptyd, "none")["Service"]["Restart"] == "on-failure"
    assert unit_of(ptyd, "--restart", "always", "own")["Service"]["Restart"] == "always"


@pytest.mark.parametrize(
    "words",
    [["nobody"], [], ["--restart", "often", "it"]],
    ids=["nobody", "nothing", "policy"],
)
def test_what_is_wrong_is_one_line(ptyd: Ptyd, words: list[str]) -> None:
    """125, and no unit."""
    ptyd("create", "--name", "it", "true")
    done = ptyd("systemd", *words)

    assert (done.code, done.out, len(done.err.splitlines())) == (125, b"", 1)
