"""state, list, ps and spec: what a runtime tells, and how it says that it cannot."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oci_user import Runtime, runtime, users
from ptylaunch import folder
from ptylaunch.errors import Refused
from ptylaunch.folder import check_id, default_root
from ptylaunch.lifecycle import parse_signal
from ptylaunch.process import Process, identify, is_alive, members, send_signal
from waiting import wait_for_end, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

RFC_3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture(params=users())
def oci(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    with runtime(request.param) as made:
        yield made


def test_list_shows_each_with_its_status(oci: Runtime) -> None:
    """As a table, as JSON and as bare ids."""
    oci.script("exec sleep 1000")
    oci.do("create", "a")
    oci.do("run", "-d", "b")
    table = oci.do("list").splitlines()
    entries = json.loads(oci.do("list", "--format", "json"))
    ids = oci.do("list", "-q")
    for name in ("a", "b"):
        oci.do("delete", "-f", name)

    assert table[0].split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert [line.split()[0:3:2] for line in table[1:]] == [["a", "created"], ["b", "running"]]
    assert [entry["status"] for entry in entries] == ["created", "running"]
    assert {entry["owner"] for entry in entries} == {oci.user}
    assert all(re.fullmatch(RFC_3339, entry["created"]) for entry in entries)
    assert ids == "a\nb\n"
    assert oci.do("list").splitlines()[1:] == []
    assert oci.do("list", "-f", "json") == "[]\n"


def test_ps_shows_the_containers_processes_alone(oci: Runtime) -> None:
    """By the host's pids; as a table that is the host's ps."""
    oci.edit("root", "readonly", to=False)
    oci.script("sleep 1000 & echo >/tmp/ready; wait")
    oci.do("run", "-d", "c")
    wait_until((oci.bundle / "rootfs/tmp/ready").exists)
    pids = json.loads(oci.do("ps", "--format", "json", "c"))
    table = oci.do("ps", "c").splitlines()
    chosen = oci.do("ps", "c", "--", "-e", "-o", "pid,args").splitlines()
    first = oci.pid("c")
    oci.do("kill", "c", "KILL")
    wait_for_end(first)
    done = oci.run("ps", "c")
    oci.do("delete", "c")

    assert pids[0] == first
    assert len(pids) == len(table) - 1
    assert "PID" in table[0]
    assert chosen[0].split() == ["PID", "COMMAND"]
    assert len(chosen) == len(pids) + 1
    assert (done.returncode, done.stderr) == (1, "ptylaunch: container not running: c\n")


def test_spec_is_written_once(oci: Runtime) -> None:
    """Into the bundle; what is there is not overwritten."""
    again = oci.run("spec")
    (oci.bundle / "sub").mkdir()
    os.chown(oci.bundle / "sub", oci.uid, -1)
    oci.do("spec", "--bundle", "sub")
    rootless = json.loads(oci.do("spec", "--rootless", "--config", "-"))

    assert again.returncode == 1
    assert again.stderr == "ptylaunch: ./config.json exists already\n"
    assert json.loads((oci.bundle / "sub/config.json").read_text())["ociVersion"] == "1.3.0"
    assert "uidMappings" in rootless["linux"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_log_has_what_standard_error_has(oci: Runtime, form: str) -> None:
    """In the form of logrus, which podman and containerd read; appended."""
    for name in ("a", "b"):
        done = oci.run("--log", "log", "--log-format", form, "state", name)

        assert done.stderr == f"ptylaunch: container {name} does not exist\n"
    lines = (oci.bundle / "log").read_text().splitlines()

    assert len(lines) == 2
    if form == "json":
        entry = json.loads(lines[0])
        assert entry == {
            "level": "error",
            "msg": "container a does not exist",
            "time": entry["time"],
        }
        assert re.fullmatch(RFC_3339, entry["time"])
    else:
        line = f'time="{RFC_3339}" level=error msg="container a does not exist"'
        assert re.fullmatch(line, lines[0])


def test_debug_log_tells_each_command(oci: Runtime) -> None:
    """And nothing on standard error."""
    oci.do("--debug", "--log", "log", "delete", "--force", "c")

    assert "level=debug" in (oci.bundle / "log").read_text()


@pytest.mark.parametrize("command", ["create", "run", "start", "state", "kill", "delete", "ps"])
def test_name_that_is_no_id_is_refused_in_one_line(oci: Runtime, command: str) -> None:
    """Whichever command it is given to; it never becomes part of a path."""
    for name in ("../x", "..", "", "a\nb", "x" * 300, "-x", "a b"):
        done = oci.run(command, "--", name)

        assert done.returncode == 1
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert len(done.stderr) < 200
        assert not oci.root.exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pause", "c"], "container c does not exist"),
        (["--systemd-cgroup", "list"], "systemd"),
        (["--cgroup-manager", "systemd", "list"], "systemd"),
        (["--cgroup-manager", "none", "list"], "--cgroup-manager"),
        (["--log-format", "xml", "list"], "--log-format"),
        (["list", "--format", "xml"], "--format"),
        (["--log", "/nowhere/x", "list"], "/nowhere/x: No such file"),
        (["list", "--fly"], "--fly"),
        (["kill", "c", "NOSUCH"], "there is no signal 'NOSUCH'"),
        (["kill", "c", "65"], "there is no signal '65'"),
        (["create", "--preserve-fds", "x", "c"], "--preserve-fds"),
        (["create", "-b", "/nowhere", "c"], "/nowhere/config.json: No such file"),
        (["create", "-f", "/etc/passwd", "c"], "/etc/passwd: "),
        (["run", "-f", "/dev/null", "c"], "/dev/null: "),
        (["state"], "ID"),
        (["state", "c"], "container c does not exist"),
        (["delete", "c"], "container c does not exist"),
        (["--root", "/dev/null/x", "create", "c"], "/dev/null/x: Not a directory"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(oci: Runtime, words: list[str], says: str) -> None:
    """With status 1 and nothing on standard output."""
    done = oci.run(*words)

    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not oci.root.exists() or list(oci.root.iterdir()) == []


def test_broken_state_is_said_in_one_line(oci: Runtime) -> None:
    """A stranger's or another version's; list goes on without it."""
    oci.script("exit 0")
    oci.do("run", "--keep", "good")
    oci.do("run", "--keep", "bad")
    whole = (oci.root / "bad/state.json").read_text()
    for text in ("", "[]", "{}", "{", '{"process": 1}', "[" * 100000):
        (oci.root / "bad/state.json").write_text(text)
        done = oci.run("state", "bad")

        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert oci.do("list", "-q") == "good\n"
    (oci.root / "bad/state.json").write_text(whole)
    oci.do("delete", "good")
    oci.do("delete", "bad")


@pytest.mark.parametrize(
    ("uid", "inside", "session", "root"),
    [
        (0, False, "/run/user/0", "/run/ptylaunch"),
        (0, True, "/run/user/1000", "/run/user/1000/ptylaunch"),
        (0, True, "", "/run/ptylaunch"),
        (1000, False, "/run/user/1000", "/run/user/1000/ptylaunch"),
        (1000, False, "relative", "/tmp/ptylaunch-1000"),
    ],
)
def test_default_root_is_where_runtimes_keep_theirs(
    monkeypatch: pytest.MonkeyPatch, uid: int, session: str, root: str, *, inside: bool
) -> None:
    """/run for root, the session's folder for others and for the root of a user namespace."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(folder, "_is_in_user_namespace", lambda: inside)
    monkeypatch.setenv("XDG_RUNTIME_DIR", session)

    assert default_root() == root


@pytest.mark.parametrize(
    ("text", "number"),
    [("9", 9), ("kill", 9), ("SIGTERM", 15), ("RTMIN+3", 37), ("sigrtmax-1", 63), ("CHLD", 17)],
)
def test_signals_have_names_and_numbers(text: str, number: int) -> None:
    """As docker and runc take them."""
    assert parse_signal(text) == number


@given(st.text(max_size=12))
def test_no_text_makes_a_signal_that_is_none(text: str) -> None:
    """It is one of the kernel's or refused."""
    try:
        assert 1 <= parse_signal(text) <= 64
    except Refused:
        pass


@given(st.text(max_size=300))
def test_an_id_is_a_plain_name(text: str) -> None:
    """What is taken can be a folder's name, and not that of another folder."""
    try:
        name = check_id(text)
    except Refused:
        return

    assert name == text
    assert os.path.basename(name) == name
    assert name not in ("", ".", "..")
    assert len(name.encode()) <= 255


def test_process_is_told_from_one_with_its_pid() -> None:
    """By its start time; a signal to the other one is not sent."""
    me = identify(os.getpid())
    other = Process(me.pid, me.started + 1)

    assert is_alive(me)
    assert not is_alive(other)
    assert not send_signal(other, 9)
    assert send_signal(me, 0)
    assert me in members(me)
