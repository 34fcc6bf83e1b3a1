"""The verbs beside run and attach: ps, inspect, logs, share, rm, stop."""

from __future__ import annotations

import json
import os
import select
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oci_schema import problems
from slow_start import stopped_server
from wire_client import Place

if TYPE_CHECKING:
    from ptyd_user import Ptyd


def test_ps_shows_what_runs_and_with_a_what_ran(ptyd: Ptyd) -> None:
    """One line each, whatever the command holds."""
    running = ptyd.start("--name", "alive", "sh", "-c", "echo '\x1b[31m'; cat")
    ptyd("run", "--name", "ended", "sh", "-c", "exit 3")
    now, all_ = ptyd("ps").out.decode(), ptyd("ps", "-a").out.decode()

    assert [line.split()[-1] for line in now.splitlines()] == ["NAMES", "alive"]
    assert running.id[:12] in now
    assert f"127.0.0.1:{running.port()}" in now
    assert "Exited (3)" in all_
    assert "\x1b" not in all_
    assert ptyd("ps", "-q").out.decode().split() == [running.id[:12]]


def test_inspect_tells_pids_paths_and_listeners(ptyd: Ptyd) -> None:
    """JSON, a list; the pids are of the processes that they say."""
    container = ptyd.start("--raw", "0", "sleep", "77777")
    server = container.server_pid()  # it has said that it serves
    described = json.loads(ptyd("inspect", container.name, container.id[:6]).out)

    assert len(described) == 2
    one = described[0]
    command = Path(f"/proc/{one['State']['Pid']}/cmdline").read_bytes()
    assert command == b"sleep\x0077777\x00"
    assert one["ServerPid"] == server
    for pid in (one["KeeperPid"], server):
        assert Path(f"/proc/{pid}/stat").exists()
    assert all(Path(path).exists() for path in one["Paths"].values())
    assert {listener["dialect"] for listener in one["Listeners"]} == {"ptyd.v1", "raw", "control"}
    assert one["Intake"] == "splice"


def test_inspect_does_not_wait_for_a_server(ptyd: Ptyd) -> None:
    """What it would have said is null until then; the program runs."""
    with (
        ptyd.background("ptyd", "run", "-d", "--name", "it", "sleep", "1000") as run,
        stopped_server(),
    ):
        run.communicate(timeout=40)
        one = ptyd.inspect("it")

    assert (one["State"]["Running"], one["Damage"]) == (True, None)
    assert (one["ServerPid"], one["Intake"]) == (None, None)


def test_inspect_tells_of_damage(ptyd: Ptyd) -> None:
    """Bytes that are missing in the middle: where, until what was before them is gone as well."""
    ptyd("run", "--name", "it", "--log-max", "1m", "--no-tty", "seq", "1", "100000")
    whole = ptyd.inspect("it")
    segments = sorted(Path(whole["Paths"]["Journal"]).glob("*.out"))
    segments[1].unlink()
    damaged = ptyd.inspect("it")
    segments[0].unlink()

    assert whole["Damage"] is None
    assert (
        damaged["Damage"] == f"bytes {int(segments[1].stem)} to {int(segments[2].stem)} are missing"
    )
    assert ptyd.inspect("it")["Damage"] is None


def test_logs_are_the_bytes(ptyd: Ptyd) -> None:
    """While it runs and after; every byte, as it was printed."""
    container = ptyd.start("--no-tty", "sh", "-c", "printf 'a\\000\\377\\033b'; cat")
    with container.attach() as client:
        client.read_until("b")
    running = ptyd("logs", container.name).out
    ptyd("stop", container.name)

    assert running == b"a\x00\xff\x1bb"
    assert ptyd("logs", container.name).out == running


def test_logs_wait_for_a_reader_that_is_slow(ptyd: Ptyd) -> None:
    """Also where the pipe is non-blocking, as some parents leave theirs."""
    ptyd("run", "--name", "long", "seq", "1", "60000")
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writing, False)
    with subprocess.Popen(
        ptyd.command("ptyd", "logs", "long"), stdout=writing, stderr=subprocess.PIPE, env=ptyd.env
    ) as process:
        os.close(writing)
        assert select.select([reading], [], [], 40)[0]
        with open(reading, "rb") as pipe:
            printed = pipe.read()
        assert process.stderr is not None
        errors = process.stderr.read()

    assert (process.returncode, errors) == (0, b"")
    assert printed == b"".join(b"%d\n" % number for number in range(1, 60001))


def test_logs_can_be_cut_short(ptyd: Ptyd) -> None:
    """``ptyd logs | head`` is no error message."""
    ptyd("run", "--name", "long", "seq", "1", "300000")
    with ptyd.background("ptyd", "logs", "long") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        process.wait(20)
        errors = process.stderr.read()

    assert (first, errors) == (b"1\n", b"")


def test_share_mints_a_link_of_the_role_asked_for(ptyd: Ptyd) -> None:
    """A new token each time, at least 128 bits, kept as a hash only; view by default."""
    container = ptyd.start("cat")
    default = ptyd("share", container.name).out.decode().strip()
    control, other = container.link("control"), container.link("control")
    roles = []
    for link in (default, control):
        with container.attach(link) as client:
            roles.append(client.hello["role"])
    kept = Path(container.described["Paths"]["Directory"], "tokens.json").read_text()

    assert roles == ["view", "control"]
    assert control != other
    assert len(Place.of_link(control).token) >= 22
    assert Place.of_link(control).token not in kept


def test_tokens_survive_the_server(ptyd: Ptyd) -> None:
    """A link works after a kill as before."""
    container = ptyd.start("cat")
    link = container.link()
    container.replace_server()
    with container.attach(link) as client:
        client.type("in\n")
        client.read_until("in\r\nin\r\n")


def test_rm_of_what_runs_wants_force(ptyd: Ptyd) -> None:
    """And with it everything is gone: processes, files, name, range, socket."""
    container = ptyd.start("--name", "busy", "bash", "-c", "trap '' TERM HUP INT; cat")
    refused = ptyd("rm", "busy")
    done = ptyd("rm", "-f", "busy")

    assert refused.code == 1
    assert "running" in refused.err
    assert done == (0, b"busy\n", "")
    assert ptyd.left() == []
    assert not os.path.exists(f"/proc/{container.keeper_pid}/cwd")
    assert ptyd("rm", "-f", "busy").code == 0
    assert ptyd("rm", "busy").code == 1


def test_what_was_killed_in_the_middle_can_be_removed(ptyd: Ptyd) -> None:
    """A name without a folder, and a folder without anything in it."""
    root = Path(ptyd.root)
    ptyd("run", "--rm", "true")
    (root / "names/nowhere").symlink_to("ab" * 32)
    (root / "containers" / ("cd" * 32)).mkdir()
    (root / "names/half").symlink_to("cd" * 32)
    shown = ptyd("ps", "-a").out.decode()

    assert "half" in shown
    assert "Exited (unknown)" in shown
    assert ptyd("rm", "half", "nowhere") == (0, b"half\nnowhere\n", "")
    assert ptyd.left() == []


def test_spec_that_is_written_validates(ptyd: Ptyd) -> None:
    """Against the published schema, with options of many kinds."""
    words = (
        "--memory=64m",
        "--tmpfs=/x",
        "--hostname=h",
        "--cap-drop=all",
        "-v=/usr:/v:ro",
        "--read-only",
    )
    directory = ptyd.start(*words, "cat").described["Paths"]["Directory"]

    assert problems(json.loads(Path(directory, "config.json").read_text())) == []


def test_state_is_the_owners_alone(ptyd: Ptyd) -> None:
    """Folders 0700, files 0600, whatever the umask; a server that is somebody else sees tokens."""
    container = ptyd.start("cat")
    container.link()
    container.server_pid()
    directory = Path(container.described["Paths"]["Directory"])
    checked = [Path(ptyd.root), directory, Path(container.journal_folder)]
    files = ["config.json", "state.json", "lock", "tokens.json", "keeper.log", "server.log"]

    assert {path.stat().st_mode & 0o7707 for path in checked} <= {0o700, 0o2700}
    assert {(directory / name).stat().st_mode & 0o7777 for name in files} <= {0o600, 0o640}
    assert (directory / "tokens.json").stat().st_gid == directory.stat().st_gid
    if os.geteuid() == 0:
        assert directory.stat().st_mode & 0o7777 == 0o2710
        files.remove("tokens.json")
        assert {(directory / name).stat().st_mode & 0o7777 for name in files} == {0o600}
    assert Path(container.control.path).stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize("verb", ["run", "attach", "ps", "logs", "inspect", "share", "stop", "rm"])
def test_each_verb_has_help(ptyd: Ptyd, verb: str) -> None:
    """On stdout, 0."""
    done = ptyd(verb, "--help")

    assert (done.code, done.err) == (0, "")
    assert done.out.decode().startswith(f"usage: ptyd {verb} ")
