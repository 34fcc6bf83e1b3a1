"""``ptyd logs`` with docker's options, on journals that real containers wrote."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ptycli.moment import moment
from slow_start import is_watching
from waiting import wait_until

if TYPE_CHECKING:
    from ordinary_user import Account
    from ptyd_user import Container, Ptyd

PACED = "while read word; do echo out $word; echo err $word >&2; done; printf last"
"""Prints a line on each stream for a line that is typed, and at the end one without an end."""


@pytest.fixture
def paced(ptyd: Ptyd) -> Container:
    """A container that has ended, whose three pairs of lines have times of their own."""
    container = ptyd.start("--no-tty", "--name", "paced", "sh", "-c", PACED)
    with container.attach() as client:
        for word in ("one", "two", "three"):
            client.type(word + "\n")
            client.wait_until(lambda w=word: f"err {w}\n".encode() in client.errors)
        client.end_stdin()
        client.read_to_end()
    container.wait_for_status()
    return container


def test_streams_go_where_they_belong(ptyd: Ptyd, paced: Container) -> None:
    """All, or one of them, the last line without an end included."""
    out, err = b"out one\nout two\nout three\nlast", "err one\nerr two\nerr three\n"

    assert paced.state()["status"] == "exited"
    assert ptyd("logs", "paced") == (0, out, err)
    assert ptyd("logs", "--stream", "stdout", "paced") == (0, out, "")
    assert ptyd("logs", "--stream", "stderr", "paced") == (0, b"", err)


@pytest.mark.usefixtures("paced")
def test_a_log_is_printed_without_what_other_verbs_need(ptyd: Ptyd) -> None:
    """Half of the time until a first byte came would be imports."""
    done = ptyd("logs", "--tail", "0", "paced", PYTHONPROFILEIMPORTTIME="1")
    loaded = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}

    assert done.code == 0
    assert "ptycli.transcript.source" in loaded
    assert loaded.isdisjoint({"argparse", "ctypes", "enum", "json", "re", "signal", "typing"})


@pytest.mark.usefixtures("paced")
def test_tail_counts_lines_of_both_streams(ptyd: Ptyd) -> None:
    """The last ones by where they end; what is no number means all, as docker has it."""
    whole = ptyd("logs", "paced")

    assert ptyd("logs", "--tail", "2", "paced") == (0, b"last", "err three\n")
    assert ptyd("logs", "-n", "3", "-f", "paced") == (0, b"out three\nlast", "err three\n")
    assert ptyd("logs", "--tail", "0", "paced") == (0, b"", "")
    assert ptyd("logs", "--tail", "all", "paced") == whole
    assert ptyd("logs", "--tail", "-5", "paced") == whole
    assert ptyd("logs", "-n1", "--stream", "stderr", "paced") == (0, b"", "err three\n")


@pytest.mark.usefixtures("paced")
def test_since_and_until_are_by_the_times_that_t_shows(ptyd: Ptyd) -> None:
    """Both bounds are included, in whichever notation."""
    stamped = ptyd("logs", "-t", "--stream", "stdout", "paced").out.decode()
    times = [line.split(" ", 1)[0] for line in stamped.splitlines()]
    second = f"{moment(times[1], 0) // 10**9}.{moment(times[1], 0) % 10**9:09}"

    assert [line[31:] for line in stamped.splitlines()] == [
        "out one",
        "out two",
        "out three",
        "last",
    ]
    assert ptyd("logs", "--until", times[1], "paced").out == b"out one\nout two\n"
    assert ptyd("logs", "--since", second, "paced").out == b"out two\nout three\nlast"
    assert ptyd("logs", "--since", second, "--until", times[1], "paced").out == b"out two\n"
    assert ptyd("logs", "--since", "10m", "--tail", "1", "paced").out == b"last"
    assert ptyd("logs", "--until", "10m", "paced") == (0, b"", "")
    assert ptyd("logs", "-f", "--since=-10m", "paced") == (0, b"", "")


@pytest.mark.usefixtures("paced")
def test_formats_of_others(ptyd: Ptyd) -> None:
    """Docker's and kubernetes' entries, a recording, a typescript that scriptreplay would take."""
    json_file = ptyd("logs", "--format", "json-file", "paced").out.decode().splitlines()
    cri = ptyd("logs", "--format", "cri", "--tail", "2", "paced").out.decode().splitlines()
    cast = ptyd("logs", "--format", "asciicast", "paced").out.decode().splitlines()
    script = ptyd("logs", "--format", "typescript", "paced").out

    assert [json.loads(line)["stream"] for line in json_file[:2]] == ["stdout", "stderr"]
    assert json.loads(json_file[-1])["log"] == "last"
    assert [re.sub(r"^\S+ ", "", line) for line in cri] == ["stderr F err three", "stdout P last"]
    assert json.loads(cast[0])["title"] == "paced"
    assert json.loads(cast[-1])[1:] == ["x", "0"]
    assert script.startswith(b"Script started on ")
    assert script.endswith(b'[COMMAND_EXIT_CODE="0"]\n')


def test_following_survives_segments_that_come(ptyd: Ptyd) -> None:
    """Every byte of a program that fills several, from the first to the last."""
    container = ptyd.start("--no-tty", "sh", "-c", "read go; seq 1 1500000")
    with ptyd.background("ptyd", "logs", "-f", container.name) as logs:
        wait_until(lambda: is_watching(logs.pid))
        with container.attach(from_="end") as client:
            client.type("\n")
        printed, errors = logs.communicate(timeout=50)

    assert (logs.returncode, errors) == (0, b"")
    assert printed == b"".join(b"%d\n" % number for number in range(1, 1500001))


def test_following_from_the_last_line(ptyd: Ptyd) -> None:
    """``--tail N -f``: those lines, then all that comes, a line that is not ended at once."""
    container = ptyd.start("sh", "-c", "stty -echo; seq 1 9; read a; printf 'prompt> '; read b")
    with (
        container.attach() as client,
        ptyd.background("ptyd", "logs", "-f", "--tail", "2", container.name) as logs,
    ):
        client.read_until("9\r\n")
        assert logs.stdout is not None
        wait_until(lambda: is_watching(logs.pid))
        client.type("\n")
        shown = os.read(logs.stdout.fileno(), 4096)
        while not shown.endswith(b"> "):
            shown += os.read(logs.stdout.fileno(), 4096)
        client.type("\n")
        rest = logs.communicate(timeout=40)[0]

    assert (shown, rest, logs.returncode) == (b"8\r\n9\r\nprompt> ", b"", 0)


def test_following_until_a_time(ptyd: Ptyd) -> None:
    """It ends then, though the program goes on."""
    container = ptyd.start("--no-tty", "sh", "-c", "echo early; cat")
    with container.attach() as client:
        client.read_until("early")
        done = ptyd("logs", "-f", "--until=-500ms", container.name)

    assert done == (0, b"early\n", "")


def test_following_goes_on_over_restarts(ptyd: Ptyd) -> None:
    """A program that its policy starts again is the same log; it ends when nothing starts it."""
    script = "echo go; read word; echo $word; exit 1"
    container = ptyd.start("--no-tty", "--restart", "on-failure:1", "sh", "-c", script)
    with ptyd.background("ptyd", "logs", "-f", container.name) as logs:
        for word in ("one", "two"):
            assert logs.stdout is not None
            assert logs.stdout.readline() == b"go\n"
            with container.attach(from_="end") as client:
                client.type(word + "\n")
            assert logs.stdout.readline() == word.encode() + b"\n"
        rest = logs.communicate(timeout=40)

    assert (logs.returncode, *rest) == (0, b"", b"")


def test_following_ends_when_nobody_reads(ptyd: Ptyd) -> None:
    """``logs -f | head`` does not stay for ever where nothing more is printed."""
    container = ptyd.start("--no-tty", "sh", "-c", "echo one; cat")
    with ptyd.background("ptyd", "logs", "-f", container.name) as logs:
        assert logs.stdout is not None
        first = logs.stdout.readline()
        logs.stdout.close()

        assert (first, logs.wait(20)) == (b"one\n", 128 + signal.SIGPIPE)


def test_following_ends_with_the_container(ptyd: Ptyd) -> None:
    """``rm -f`` is an end as others."""
    container = ptyd.start("--no-tty", "sh", "-c", "echo one; cat")
    with ptyd.background("ptyd", "logs", "-f", container.name) as logs:
        assert logs.stdout is not None
        first = logs.stdout.readline()
        container.remove()
        rest, errors = logs.communicate(timeout=40)

    assert (first, rest, errors, logs.returncode) == (b"one\n", b"", b"", 0)


def test_a_server_that_hangs_keeps_nobody_from_the_log(ptyd: Ptyd) -> None:
    """What is in the files is there; who follows gets the rest once it goes on."""
    container = ptyd.start("--no-tty", "sh", "-c", "echo one; read go; echo two")
    with container.attach() as client:
        client.read_until("one")
        server = container.server_pid()
        os.kill(server, signal.SIGSTOP)
        try:
            now = ptyd("logs", container.name)
            with ptyd.background("ptyd", "logs", "-f", container.name) as logs:
                wait_until(lambda: is_watching(logs.pid))
                os.kill(server, signal.SIGCONT)
                client.type("\n")
                whole = logs.communicate(timeout=40)[0]
        finally:
            with suppress(ProcessLookupError):
                os.kill(server, signal.SIGCONT)

    assert now == (0, b"one\n", "")
    assert (whole, logs.returncode) == (b"one\ntwo\n", 0)


def test_a_torn_record_hides_nothing(ptyd: Ptyd, paced: Container) -> None:
    """Half a record at the end of an index, as a power loss leaves it."""
    whole = ptyd("logs", "paced")
    (index,) = Path(paced.journal_folder).glob("*.idx")
    with index.open("ab") as file:
        file.write(b"\0\0\0torn")

    assert ptyd("logs", "paced") == whole
    assert ptyd("logs", "-f", "paced") == whole
    os.truncate(index, 40)
    cut = ptyd("logs", "paced")
    assert cut.code == 0
    assert sorted(cut.out + cut.err.encode()) == sorted(whole.out + whole.err.encode())


def test_bytes_that_are_missing_are_told(ptyd: Ptyd) -> None:
    """What is on both sides of a hole is printed, and the status says that something is not."""
    ptyd("run", "--name", "it", "--log-max", "1m", "--no-tty", "seq", "1", "100000")
    segments = sorted(Path(ptyd.inspect("it")["Paths"]["Journal"]).glob("*.out"))
    held = [segment.read_bytes() for segment in segments]
    segments[1].unlink()
    done = ptyd("logs", "it")

    assert done.out == b"".join([held[0], *held[2:]])
    assert (done.code, done.err) == (1, f"ptyd logs: {len(held[1])} bytes were dropped here\n")


def test_sessions_of_exec_have_logs(ptyd: Ptyd) -> None:
    """``NAME/N`` takes every option that a container does."""
    container = ptyd.start("cat")
    ptyd("exec", container.name, "sh", "-c", "seq 1 5; echo err >&2")
    where = f"{container.name}/1"

    assert ptyd("logs", "--tail", "2", "--stream", "stdout", where).out == b"4\n5\n"
    assert ptyd("logs", "-f", where) == (0, b"1\n2\n3\n4\n5\n", "err\n")
    assert ptyd("logs", f"{container.name}/7").code == 1


def test_a_container_that_was_only_created_has_an_empty_log(ptyd: Ptyd) -> None:
    """Nothing has been printed and nobody prints: following ends, too, as docker's does."""
    ptyd("create", "--name", "it", "echo", "hi")

    assert ptyd("logs", "it") == (0, b"", "")
    assert ptyd("logs", "-f", "it") == (0, b"", "")


def test_a_paused_container_has_its_log(ptyd: Ptyd) -> None:
    """What it printed is shown; who follows waits until it goes on."""
    container = ptyd.start("--no-tty", "--name", "it", "sh", "-c", "echo one; read a; echo two")
    with container.attach() as client:
        client.read_until("one")
        ptyd("pause", "it")
        client.type("\n")
        now = ptyd("logs", "it")
        with ptyd.background("ptyd", "logs", "-f", "it") as logs:
            wait_until(lambda: is_watching(logs.pid))
            ptyd("unpause", "it")
            whole = logs.communicate(timeout=40)[0]

    assert now == (0, b"one\n", "")
    assert (whole, logs.returncode) == (b"one\ntwo\n", 0)


def test_a_container_that_was_half_made_has_an_empty_log(ptyd: Ptyd) -> None:
    """A folder and a name, and nobody who makes the rest."""
    ptyd("run", "--rm", "true")
    root = Path(ptyd.root)
    (root / "containers" / ("cd" * 32)).mkdir()
    (root / "names/half").symlink_to("cd" * 32)

    for options in ([], ["-f"], ["--tail", "3"], ["-t", "--since", "1m"]):
        assert ptyd("logs", *options, "half") == (0, b"", "")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--since", "yesterday", "it"], 1),
        (["--until", "2026-02-30", "it"], 1),
        (["--stream", "stdin", "it"], 125),
        (["--format", "yaml", "it"], 125),
        (["--tail", "it"], 1),
        (["it/x"], 1),
        (["gone"], 1),
        ([], 1),
    ],
    ids=range(8),
)
def test_what_is_wrong_is_one_line(ptyd: Ptyd, options: list[str], code: int) -> None:
    """As docker's: 125 for flags, else 1, and nothing on standard output."""
    ptyd("run", "--name", "it", "true")
    done = ptyd("logs", *options)

    assert (done.code, done.out, len(done.err.splitlines())) == (code, b"", 1)


def test_somebody_elses_container_is_not_read(ptyd: Ptyd, account: Account) -> None:
    """Files decide that, and one line says so."""
    ptyd("run", "--name", "it", "true")
    os.chmod(ptyd.root, 0o711)
    done = account.ptyd(ptyd.root)("logs", "it")

    assert (done.code, done.out, len(done.err.splitlines())) == (125, b"", 1)


def test_a_disk_that_is_full_is_said(ptyd: Ptyd, paced: Container) -> None:
    """Where the output goes to, not where it comes from: 125, and not a log that looks whole."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            ptyd.command("ptyd", "logs", paced.name),
            stdout=full,
            stderr=subprocess.PIPE,
            env=ptyd.env,
            check=False,
            timeout=40,
        )

    assert done.returncode == 125
    assert b"No space left on device" in done.stderr
